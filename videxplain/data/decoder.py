"""Decode video files by FFmpeg through OpenCV; a process of its own runs this, see `main`.

A broken file may hang or crash a decoder, so `videxplain.data.decoder_process` starts this module
and talks to it. It imports no torch.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from videxplain.data.limits import check_size
from videxplain.errors import DataError

Picture = UInt8[np.ndarray, "h w c"]

_SEEK_BEYOND = 250
"""Frames to skip before a seek is quicker than decoding; encoders put key frames closer."""
_MILLISECONDS = 1000
_COMPLETE = 0.9
"""Share of its stated length that a whole file holds; containers may only estimate it."""


class Facts(NamedTuple):
    """What is known of a video before it is decoded.

    Attributes:
        length: Number of frames.
        may_seek: Whether the container's own count can be trusted, so that a seek can.
    """

    length: int
    may_seek: bool


def _no_beat() -> None:
    """Nobody waits."""


def look(path: Path, beat: Callable[[], None] = _no_beat) -> Facts:
    """Look at a file without decoding it, unless its frames must be counted.

    Args:
        path: The file.
        beat: Called before every step that may hang.

    Raises:
        DataError: If it cannot be opened, is empty, cut off, or of an impossible size.
    """
    with _opened(path, beat) as capture:
        size = (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH)
        height, width = (int(capture.get(side)) for side in size)
        fps = capture.get(cv2.CAP_PROP_FPS)
        length = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        check_size(path, height, width)
        may_seek = length > 0 and _reaches(capture, length - 1, beat)
    if not may_seek:
        length = _count(path, length, fps, beat)
    return Facts(length, may_seek)


def frames(
    path: Path, indices: Sequence[int], *, may_seek: bool, beat: Callable[[], None] = _no_beat
) -> Iterator[Picture]:
    """Decode the frames at ascending indices, RGB and all of one size.

    A seek counts frames by their time. So it is exact at a constant frame rate, lands on the frame
    nearest in time at a variable one, and is left alone where the container's count was wrong.

    Args:
        path: The file.
        indices: From 0.
        may_seek: From `look`.
        beat: Called before every step that may hang.

    Raises:
        DataError: If a frame cannot be decoded, or has another size than the first.
    """
    size = None
    with _opened(path, beat) as capture:
        position = 0
        for index in indices:
            if may_seek and index - position > _SEEK_BEYOND:
                beat()
                capture.set(cv2.CAP_PROP_POS_FRAMES, index)
                position = index
            while position < index:
                beat()
                if not capture.grab():
                    break
                position += 1
            beat()
            arrived, picture = capture.read()
            if not arrived:
                message = f"{path} cannot be decoded at frame {index}: re-encode or remove it"
                raise DataError(message)
            size = size or picture.shape
            if picture.shape != size:
                message = f"{path} changes its size at frame {index}: re-encode or remove it"
                raise DataError(message)
            position += 1
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _grabs(capture: cv2.VideoCapture, beat: Callable[[], None]) -> bool:
    beat()
    return capture.grab()


def _reaches(capture: cv2.VideoCapture, index: int, beat: Callable[[], None]) -> bool:
    """A file that is cut off gives its last frame instead, and says so by its position."""
    beat()
    capture.set(cv2.CAP_PROP_POS_FRAMES, index)
    return _grabs(capture, beat) and capture.get(cv2.CAP_PROP_POS_FRAMES) > index


def _count(path: Path, stated: int, fps: float, beat: Callable[[], None]) -> int:
    """Count the frames of a file that states none, or more than it holds.

    At a variable frame rate fewer frames than stated are no fault if they last as long.
    """
    counted, last = 0, 0.0
    with _opened(path, beat) as capture:
        while _grabs(capture, beat):
            counted += 1
            last = capture.get(cv2.CAP_PROP_POS_MSEC) / _MILLISECONDS
    if counted == 0:
        message = f"{path} holds no frame that can be decoded: re-encode or remove it"
        raise DataError(message)
    if max(counted, last * fps) < _COMPLETE * stated:
        message = (
            f"{path} is cut off: it states {stated} frames and holds {counted}; "
            "copy it again, or re-encode it to keep what is there"
        )
        raise DataError(message)
    return counted


def _is_text(path: Path) -> bool:
    """Whether its name can be given to OpenCV, which crashes on other bytes."""
    try:
        os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@contextmanager
def _opened(path: Path, beat: Callable[[], None]) -> Iterator[cv2.VideoCapture]:
    if not _is_text(path):
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        message = f"{shown} has a name that is no text in UTF-8: rename it"
        raise DataError(message)
    beat()
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            message = (
                f"{path} cannot be opened as a video: it is damaged, cut off, or something else; "
                "play it to see, then re-encode or remove it"
            )
            raise DataError(message)
        yield capture
    finally:
        beat()
        capture.release()


def main() -> None:
    """Answer requests until the one who asks is gone.

    A request is a line of JSON: ``folder`` to work in, ``path``, ``patience``, and, to decode,
    ``indices`` and ``may_seek``. Answered are lines of JSON: ``facts``; or ``size``, before the
    bytes of each frame; or an ``error``. Where a step takes longer than ``patience`` seconds, the
    signal of an alarm ends the process, wherever it hangs.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks is the one to be interrupted
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # whatever our parent's parents ignored
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library may print
    for line in sys.stdin.buffer:
        for header, picture in _told(json.loads(line)):
            signal.setitimer(signal.ITIMER_REAL, 0)  # the reader may take its time
            answers.write(json.dumps(header).encode() + b"\n")
            if picture is not None:
                answers.write(np.ascontiguousarray(picture).data)
            answers.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


Answer = tuple[Mapping[str, object], Picture | None]


def _told(request: Mapping[str, Any]) -> Iterator[Answer]:
    """The answers to a request, mistakes in words."""
    path = Path(request["path"])
    try:
        os.chdir(request["folder"])
        yield from _answers(path, request)
    except DataError as error:
        yield {"error": str(error)}, None
    except (cv2.error, MemoryError, UnicodeError) as error:
        told = " ".join(str(error).split()) or "it needs too much memory"
        yield {"error": f"{path} cannot be decoded ({told}): re-encode or remove it"}, None


def _answers(path: Path, request: Mapping[str, Any]) -> Iterator[Answer]:
    def beat() -> None:
        signal.setitimer(signal.ITIMER_REAL, request["patience"])

    if "indices" not in request:
        yield {"facts": look(path, beat)}, None
        return
    for picture in frames(path, request["indices"], may_seek=request["may_seek"], beat=beat):
        yield {"size": picture.shape[:2]}, picture


if __name__ == "__main__":
    main()
