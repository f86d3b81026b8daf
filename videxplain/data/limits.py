"""What size a frame may have."""

from pathlib import Path

from videxplain.errors import DataError

_LEAST_SIDE = 8
_MOST_PIXELS = 8192 * 8192
"""Twice 8K video; a larger picture is a mistake or an attack, and fills the memory."""


def check_size(path: Path, height: int, width: int) -> None:
    """Refuse a frame that is too small to hold anything, or too large to decode.

    Raises:
        DataError: With the size, and what is allowed.
    """
    if min(height, width) < _LEAST_SIDE or height * width > _MOST_PIXELS:
        message = (
            f"{path} has frames of {width} x {height} pixels: give at least {_LEAST_SIDE} a side "
            f"and at most {_MOST_PIXELS} together"
        )
        raise DataError(message)
