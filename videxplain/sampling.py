"""Which frames of a video a network sees."""

import logging
from collections.abc import Callable, Mapping
from typing import Literal

from videxplain.words import counted

log = logging.getLogger(__name__)

Rule = Literal["uniform", "center", "dense", "published"]


def uniform(length: int, frames: int, _stride: int) -> list[int]:
    """The middle of each of ``frames`` equal segments."""
    return [(2 * i + 1) * length // (2 * frames) for i in range(frames)]


def center(length: int, frames: int, _stride: int) -> list[int]:
    """Consecutive frames around the middle."""
    start = (length - frames) // 2
    return list(range(start, start + frames))


def dense(length: int, frames: int, stride: int) -> list[int]:
    """Every ``stride``-th frame of a centred window; a window too long for the video wraps."""
    start = max(0, (length - frames * stride) // 2)
    return [(start + i * stride) % length for i in range(frames)]


def published(length: int, frames: int, _stride: int) -> list[int]:
    """Every ``length // frames``-th frame from the first, the last ``frames`` of them."""
    return list(range(0, length, length // frames))[-frames:]


RULES: Mapping[Rule, Callable[[int, int, int], list[int]]] = {
    "uniform": uniform,
    "center": center,
    "dense": dense,
    "published": published,
}


def sample(rule: Rule, length: int, frames: int, *, stride: int, name: str) -> list[int]:
    """Choose ``frames`` indices of a video; too few frames are repeated in order, and it is said.

    Args:
        rule: ``uniform``, ``center``, ``dense`` or ``published``.
        length: Frames of the video, at least 1.
        frames: Frames that the network sees.
        stride: Frames between two samples, for ``dense``.
        name: What the warning calls the video.

    Returns:
        ``frames`` indices from 0 to ``length - 1``; ``dense`` may wrap, the others ascend.
    """
    if length < frames:
        log.warning(
            "%s has %s, the network sees %d: frames are repeated in order; "
            "give a longer video if this is not wanted",
            *(name, counted(length, "frame"), frames),
        )
        return uniform(length, frames, stride)
    return RULES[rule](length, frames, stride)
