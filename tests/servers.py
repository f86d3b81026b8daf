"""An https server on the loopback interface, with a certificate made on the spot."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme


@dataclass
class Site:
    """What the server answers, and what it was asked.

    Attributes:
        body: The file.
        etag: Names its version; None names none.
        cut_at: Bytes after which the connection is closed; None sends all.
        pause: Set: the server waits for it before each piece after the first.
        ranges: Whether it takes ``Range``.
        wrong_part: Whether it answers a ``Range`` with the whole file as if it were the part.
        length: Whether it states how long the file is.
        kind: Content type.
        redirect: Where it sends the client instead.
        asked: The ``Range`` of each request so far.
    """

    body: bytes = b""
    etag: str | None = '"one"'
    cut_at: int | None = None
    pause: threading.Event | None = None
    ranges: bool = True
    wrong_part: bool = False
    length: bool = True
    kind: str = "application/octet-stream"
    redirect: str | None = None
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


PIECE = 100_000


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site = self.site
        site.asked.append(self.headers["Range"])
        start = self._start()
        if not site.url.endswith(self.path):
            self.send_error(404)
        elif site.redirect is not None:
            self.send_response(302)
            self.send_header("Location", site.redirect)
            self.end_headers()
        elif start >= len(site.body):
            self.send_error(416)
        else:
            self.send_response(206 if start else 200)
            self._send(0 if site.wrong_part else start)

    def _send(self, start: int) -> None:
        """The body from ``start`` on, and what it is."""
        site, size = self.site, len(self.site.body)
        self.send_header("Content-Type", site.kind)
        self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if site.length:
            self.send_header("Content-Length", str(size - start))
        if site.etag is not None:
            self.send_header("ETag", site.etag)
        self.end_headers()
        end = size if site.cut_at is None else site.cut_at
        try:
            for at in range(start, end, PIECE):
                self.wfile.write(site.body[at : min(at + PIECE, end)])
                if site.pause is not None:
                    site.pause.wait(10)
        except (ConnectionError, ssl.SSLError):
            pass  # the client went away

    def _start(self) -> int:
        asked, same = self.headers["Range"], self.headers["If-Range"] == self.site.etag
        return int(asked[len("bytes=") : -1]) if asked and same and self.site.ranges else 0

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(authority: Path, name: str = "net.pth") -> Iterator[Site]:
    """Serve one file; clients that read ``SSL_CERT_FILE`` trust the server by ``authority``."""
    maker = trustme.CA()
    maker.cert_pem.write_to_path(str(authority))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    maker.issue_cert("localhost").configure_cert(context)
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": site}))
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    site.url = f"https://localhost:{server.server_port}/{name}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
