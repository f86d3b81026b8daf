"""Videos as folders of pictures, one a frame, in the order of the numbers in their names."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from videxplain.data.limits import check_size
from videxplain.errors import DataError
from videxplain.types import Video, VideoFrames

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
_FORMATS = ("JPEG", "PNG")
"""Which of the two a file is, its suffix need not say; no other of Pillow's readers is tried."""


def frame_files(folder: Path) -> list[Path]:
    """The pictures of a folder, ``2.png`` before ``10.png``."""
    pictures = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    return sorted((path for path in pictures if not path.name.startswith(".")), key=_by_number)


def open_frames(folder: Path, name: str, label: str | None = None) -> Video:
    """Look at a folder of pictures; of each, only the header is read.

    Args:
        folder: Holds at least one jpg or png.
        name: What messages and results call it.
        label: Its class, where known.

    Raises:
        DataError: If it holds no picture, or one that is broken, of an impossible size, or of
            another size than the first.
    """
    files = frame_files(folder)
    if not files:
        message = f"{folder} holds no jpg or png: give a folder with one picture a frame"
        raise DataError(message)
    width, height = _picture_size(files[0])
    check_size(files[0], height, width)
    for path in files:
        _check_picture(path, (height, width))
    return Video(name, len(files), partial(_read, files, (height, width)), label)


def _read(files: list[Path], size: tuple[int, int], indices: Sequence[int]) -> VideoFrames:
    return np.stack([_read_picture(files[index], size) for index in indices])


def _read_picture(path: Path, size: tuple[int, int]) -> np.ndarray:
    _check_picture(path, size)
    with _opened(path, "cannot be decoded") as picture:
        return np.asarray(picture.convert("RGB"))


def _check_picture(path: Path, size: tuple[int, int]) -> None:
    if _picture_size(path) != size[::-1]:
        message = f"{path} has another size than the folder's first picture: make them equal"
        raise DataError(message)


def _picture_size(path: Path) -> tuple[int, int]:
    """Width and height, from the header alone."""
    with _opened(path, "is not a readable picture") as picture:
        return picture.size


@contextmanager
def _opened(path: Path, wrong: str) -> Iterator[Image.Image]:
    """A picture; what its reader raises, here or where it is used, becomes a sentence."""
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            yield picture
    except MemoryError:  # sizes are bounded: it says nothing of the file
        raise
    except UnidentifiedImageError as error:
        message = f"{path} {wrong} (neither JPEG nor PNG): replace or remove it"
        raise DataError(message) from error
    except Exception as error:  # Pillow's readers raise whatever they meet in bytes
        message = f"{path} {wrong} ({error}): replace or remove it"
        raise DataError(message) from error


def _by_number(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Numbers in a name compare as numbers, all else as text."""
    parts = re.findall(r"\d+|\D+", path.stem)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], path.name
