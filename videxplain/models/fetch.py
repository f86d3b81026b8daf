"""Fetch a file over https, so that an interrupted fetch goes on where it stopped.

Imports no torch.
"""

import http.client
import urllib.error
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.request import HTTPRedirectHandler, Request, build_opener

from filelock import FileLock
from tqdm import tqdm

from videxplain.errors import WeightsError

_PATIENCE = 10.0
"""Seconds a server may stay silent."""
_CHUNK = 1 << 20
_PARTIAL_CONTENT = 206
_NOT_SATISFIABLE = 416
_DIGITS = 8
Answer = http.client.HTTPResponse


def fetch(url: str, path: Path, check: Callable[[Path], None]) -> None:
    """Bring a file to its place, whole and checked, or not at all.

    What has come is kept beside ``path`` under a hidden name, and a later call goes on from there
    if the server still has the same file. Of several processes one fetches, the others wait.

    Args:
        url: https, after every redirection too.
        path: Where it shall be; its folder is made.
        check: Raises `WeightsError` for a file that is not the one wanted; it is then removed.

    Raises:
        WeightsError: If it cannot be had; the message says how to get it by hand.
    """
    if not url.startswith("https://"):
        message = f"{url} is not fetched: only https is, since no other way is safe from changes"
        raise WeightsError(message)
    _make_folder(path.parent)
    try:
        with FileLock(path.with_name(f".{path.name}.lock")):
            if not path.is_file():
                _fetch(url, path, check)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        message = (
            f"the weights {path.name} are not in {path.parent} and could not be fetched "
            f"({_reason(error)}): run the same command again to go on "
            f"from where it stopped, or put the file there by hand (curl -fL -o {path.name} "
            f"{url}), or give weights=<path>; weights=random runs without"
        )
        raise WeightsError(message) from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{folder} cannot hold weights ({error.strerror}): give another weights_dir"
        raise WeightsError(message) from error


def _fetch(url: str, path: Path, check: Callable[[Path], None]) -> None:
    part = _receive(url, path)
    try:
        check(part)
    except WeightsError:
        part.unlink()
        raise
    part.replace(path)


def _receive(url: str, path: Path) -> Path:
    """Download into a hidden file, after what is there of the same version."""
    with _open(Request(url)) as answer:
        part, version = _part(path, answer.headers)
        total = _length(answer)
        done = part.stat().st_size if version and part.is_file() else 0
        if not done:
            return _save(answer, part, 0, total)
    if done == total:
        return part  # all of it had come
    rest = Request(url, headers={"Range": f"bytes={done}-", "If-Range": version})
    try:
        with _open(rest) as answer:
            return _save(answer, part, _start(answer, done), total)
    except urllib.error.HTTPError as error:
        if error.code == _NOT_SATISFIABLE:
            part.unlink()  # it is no beginning of this file: the next call starts anew
        raise


def _start(answer: Answer, done: int) -> int:
    """Where an answer to a request for the rest begins."""
    if answer.status != _PARTIAL_CONTENT:
        return 0
    if not str(answer.headers["Content-Range"]).startswith(f"bytes {done}-"):
        message = "the server answered with another part of the file than the one asked for"
        raise OSError(message)
    return done


def _length(answer: Answer) -> int | None:
    stated = answer.headers.get("Content-Length")
    return None if stated is None else int(stated)


def _part(path: Path, headers: http.client.HTTPMessage) -> tuple[Path, str]:
    """Where what has come is kept; its name tells one version of the file from another.

    Parts of other versions are removed. An empty version means that a server does not name it, so
    that what has come cannot be trusted to belong to what comes.
    """
    tag = headers.get("ETag", "")
    version = headers.get("Last-Modified", "") if tag.startswith("W/") or not tag else tag
    digits = sha256(f"{version} {headers.get('Content-Length')}".encode()).hexdigest()[:_DIGITS]
    part = path.with_name(f".{path.name}.{digits}.part")
    for other in set(path.parent.glob(f".{path.name}.*.part")) - {part}:
        other.unlink()
    return part, version


def _save(answer: Answer, part: Path, done: int, total: int | None) -> Path:
    """Write an answer's body after the first ``done`` bytes, all of it or an error."""
    if answer.headers.get_content_type() == "text/html":
        message = "the server answered with a web page instead of the file"
        raise OSError(message)
    bar = tqdm(total=total, initial=done, unit="B", unit_scale=True, disable=None)
    with part.open("ab") as file, bar:
        file.truncate(done)
        while chunk := answer.read1(_CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
        came = file.tell()
    if total is not None and came != total:
        message = f"the connection ended after {came} of {total} bytes"
        raise OSError(message)
    return part


def _reason(error: Exception) -> str:
    return str(error).removeprefix("<urlopen error ").removesuffix(">")


def _open(request: Request) -> Answer:
    answer: Answer = build_opener(_HttpsOnly).open(request, timeout=_PATIENCE)
    return answer


class _HttpsOnly(HTTPRedirectHandler):
    """Follow no redirection to a place that is not safe from changes."""

    def redirect_request(  # noqa: PLR0913
        self,
        req: Request,
        fp: Any,  # noqa: ANN401
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> Request | None:
        """Called by urllib before it follows."""
        if not newurl.startswith("https://"):
            message = f"it leads to {newurl}, which is not https"
            raise urllib.error.URLError(message)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
