"""The process that decodes videos: a broken file hangs or crashes it, and nothing else.

It is started when the first video is opened, serves all that follow, and ends with this process.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from io import BufferedRWPair
from pathlib import Path
from typing import Any

import numpy as np

from videxplain.data.decoder import Facts
from videxplain.errors import DataError
from videxplain.types import VideoFrames

_PATIENCE = 60.0
"""Seconds that one step of a decoder may take, such as to find a frame; a sound file takes few."""
_GRACE = 10.0
"""Seconds that a process may take to end, such as to write a core file."""


def look(path: Path) -> Facts:
    """Look at a file; see `videxplain.data.decoder.look`.

    Raises:
        DataError: If it cannot be used.
    """
    with _own().asked({"path": str(path)}) as answers:
        return Facts(*_header(answers)["facts"])


def read(path: Path, indices: Sequence[int], *, may_seek: bool) -> VideoFrames:
    """Decode frames; see `videxplain.data.decoder.frames`.

    Raises:
        DataError: If one cannot be decoded.
    """
    request = {"path": str(path), "indices": [int(each) for each in indices], "may_seek": may_seek}
    with _own().asked(request) as answers:
        first = np.empty((*_header(answers)["size"], 3), dtype=np.uint8)
        _fill(first, answers)
        frames = np.empty((len(indices), *first.shape), dtype=np.uint8)
        frames[0] = first
        for frame in frames[1:]:
            _header(answers)
            _fill(frame, answers)
    return frames


class _Decoder:
    """One process, started when it is needed and again after it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: tuple[subprocess.Popen[bytes], BufferedRWPair] | None = None

    @contextmanager
    def asked(self, request: dict[str, Any]) -> Iterator[BufferedRWPair]:
        """Send a request and give what its answers are read from, to their end.

        Raises:
            DataError: If the process refuses, hangs or crashes.
        """
        with self._lock:
            if self._running is not None and self._running[0].poll() is not None:
                self._forget()  # it was ended while nobody asked
            process, talk = self._running = self._running or _start()
            try:
                whole = {"folder": str(Path.cwd()), "patience": _PATIENCE, **request}
                talk.write(json.dumps(whole).encode() + b"\n")
                talk.flush()
                yield talk
            except DataError:
                raise
            except (EOFError, ConnectionError) as error:
                self._forget()
                code = _ended(process)
                raise DataError(_how_it_ended(code, request["path"])) from error
            except BaseException:
                self._forget()  # what it still says would be taken for the next answer
                process.kill()
                process.wait()
                raise

    def close(self) -> None:
        """End the process, if there is one."""
        if self._running is not None:
            process = self._running[0]
            self._forget()
            _ended(process)

    def _forget(self) -> None:
        if self._running is not None:
            with suppress(ConnectionError):  # what could not be sent is not sent now
                self._running[1].close()
            self._running = None


@cache
def _decoder_of(process: int) -> _Decoder:  # noqa: ARG001  # a fork must not share its parent's
    decoder = _Decoder()
    atexit.register(decoder.close)
    return decoder


def _own() -> _Decoder:
    return _decoder_of(os.getpid())


def _start() -> tuple[subprocess.Popen[bytes], BufferedRWPair]:
    """Run the module by the same interpreter, with the same packages in sight."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "videxplain.data.decoder"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        return process, ours.makefile("rwb")


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Its exit code; it has closed its end, and may still be on its way."""
    try:
        return process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _header(answers: BufferedRWPair) -> dict[str, Any]:
    line = answers.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    header: dict[str, Any] = json.loads(line)
    if "error" in header:
        raise DataError(header["error"])
    return header


def _fill(frame: np.ndarray, answers: BufferedRWPair) -> None:
    rest = frame.data.cast("B")
    while rest:
        came = answers.readinto(rest)
        if not came:
            raise EOFError
        rest = rest[came:]


def _how_it_ended(code: int, path: str) -> str:
    if code == -signal.SIGALRM:
        return (
            f"{path} hangs the decoder, which found no frame for {_PATIENCE:g} s: "
            "re-encode or remove it"
        )
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"{path} crashes the decoder ({how}): re-encode or remove it"
