"""Pictures of clips, kept once for all jobs that explain them."""

from hashlib import sha256
from pathlib import Path

import numpy as np

from videxplain.sinks import places
from videxplain.sinks.arrays import damaged, holds, read_arrays, write_arrays
from videxplain.types import Clips, VideoFrames

_DIGITS = 16
"""Of the digest that names a clip's pictures."""
_AXES = 4
_COLOURS = 3


def digest(clips: Clips, index: int) -> str | None:
    """Name of a clip's pictures; None where it has none."""
    if clips.pixels is None:
        return None
    pixels = clips.pixels[index]
    return sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:_DIGITS]


def keep_pixels(outputs: Path, clips: Clips, index: int) -> str | None:
    """Keep a clip's pictures, unless they are there; their name.

    Raises:
        OutputError: If they cannot be written.
    """
    name = digest(clips, index)
    if clips.pixels is None or name is None:
        return None
    path, arrays = places.pixels(outputs, name), {"pixels": clips.pixels[index]}
    if not holds(path, arrays):
        write_arrays(path, arrays)
    return name


def load_pixels(path: Path) -> VideoFrames:
    """The pictures of a clip, as a job kept them.

    Raises:
        OutputError: If the file is not there or damaged.
    """
    pixels = read_arrays(path, needed=("pixels",))["pixels"]
    plain = pixels.dtype == np.uint8 and pixels.ndim == _AXES and pixels.size > 0
    if not plain or pixels.shape[-1] != _COLOURS:
        raise damaged(path, "it holds no pictures of a clip")
    return pixels
