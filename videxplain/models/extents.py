"""How large clips are, and which are too small for a network. Imports no torch."""

from collections.abc import Sequence
from typing import NoReturn

from videxplain.errors import ConfigError
from videxplain.words import counted

Extent = tuple[int, int, int]
"""Frames, rows, columns."""


def described(extent: Sequence[int]) -> str:
    """As messages say it, ``16 frames of 224 x 224 pixels``.

    Args:
        extent: Frames, rows, columns.
    """
    frames, height, width = extent
    return f"{counted(frames, 'frame')} of {height} x {width} pixels"


def is_below(extent: Sequence[int], least: Extent) -> bool:
    """Whether there are fewer frames, rows or columns than ``least``."""
    return any(given < wanted for given, wanted in zip(extent, least, strict=True))


def refuse_small(network: str, clip: Sequence[int], least: Extent) -> NoReturn:
    """Refuse a clip that is too small for a network.

    Args:
        network: Its name.
        clip: Frames, rows, columns of the clip.
        least: Those of the smallest clip that it takes.

    Raises:
        ConfigError: Always.
    """
    frames, *sides = least
    message = (
        f"{network} cannot take {described(clip)}: give at least {counted(frames, 'frame')} and "
        f"{max(sides)} pixels a side"
    )
    raise ConfigError(message)
