"""Videos in files, decoded by FFmpeg through OpenCV; only the frames asked for are converted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from videxplain.data.limits import check_size
from videxplain.errors import DataError
from videxplain.types import Video, VideoFrames

SUFFIXES = frozenset({".mp4", ".avi", ".mkv", ".mov", ".webm", ".gif", ".m4v", ".mpg", ".mpeg"})

_SEEK_BEYOND = 250
"""Frames to skip before a seek is quicker than decoding; encoders put key frames closer."""
_MILLISECONDS = 1000
_COMPLETE = 0.9
"""Share of its stated length that a whole file holds; containers may only estimate it."""


def open_video(path: Path, name: str, label: str | None = None) -> Video:
    """Look at a file without decoding it.

    Args:
        path: The file.
        name: What messages and results call it.
        label: Its class, where known.

    Raises:
        DataError: If it cannot be opened, is empty, cut off, or of an impossible size.
    """
    with _opened(path) as capture:
        size = (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH)
        height, width = (int(capture.get(side)) for side in size)
        fps = capture.get(cv2.CAP_PROP_FPS)
        length = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        check_size(path, height, width)
        counted = length > 0 and _reaches(capture, length - 1)
    if not counted:
        length = _count(path, stated=length, fps=fps)
    read = partial(_read, path, may_seek=counted)
    return Video(name, length, fps if fps > 0 else None, read, label)


def _read(path: Path, indices: Sequence[int], *, may_seek: bool) -> VideoFrames:
    """Decode the frames at ascending indices.

    A seek counts frames by their time. So it is exact at a constant frame rate, lands on the frame
    nearest in time at a variable one, and is left alone where the container's count was wrong.
    """
    pictures = []
    with _opened(path) as capture:
        position = 0
        for index in indices:
            if may_seek and index - position > _SEEK_BEYOND:
                capture.set(cv2.CAP_PROP_POS_FRAMES, index)
                position = index
            while position < index and capture.grab():
                position += 1
            arrived, picture = capture.read()
            if not arrived:
                message = f"{path} cannot be decoded at frame {index}: re-encode or remove it"
                raise DataError(message)
            position += 1
            pictures.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    return np.stack(pictures)


def _reaches(capture: cv2.VideoCapture, index: int) -> bool:
    """A file that is cut off gives its last frame instead, and says so by its position."""
    capture.set(cv2.CAP_PROP_POS_FRAMES, index)
    return capture.grab() and capture.get(cv2.CAP_PROP_POS_FRAMES) > index


def _count(path: Path, stated: int, fps: float) -> int:
    """Count the frames of a file that states none, or more than it holds.

    At a variable frame rate fewer frames than stated are no fault if they last as long.
    """
    counted, last = 0, 0.0
    with _opened(path) as capture:
        while capture.grab():
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


@contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
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
        capture.release()
