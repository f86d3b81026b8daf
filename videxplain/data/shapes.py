"""Clips whose evidence is known: one textured object moves among still distractors.

The label is the direction of the motion, one of eight. Everything else is drawn at random, and the
same way for every direction: where the path lies, when the object starts and stops, its size,
shape, speed and texture. The centre of the path does not depend on the direction, and distractors
look like the object, so that a single frame, or the frames in another order, do not give it away.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy.random import Generator
from pydantic import Field, NonNegativeInt, validate_call

from videxplain.data.shards import share
from videxplain.pydantic_words import in_our_words
from videxplain.types import Video, VideoFrames

DIRECTIONS = ("right", "up right", "up", "up left", "left", "down left", "down", "down right")
"""Class names; class ``i`` moves at ``45 i`` degrees, counted from right to up."""
FRAMES = 16
SIZE = 64

_MOST_CLIPS = 1_000_000
"""Of which nobody explains all; a list of many more would fill the memory."""
_MOVING_FRAMES = (8, 14)
_SPEED = (1.2, 2.0)  # pixels a frame
_RADIUS = (8.0, 12.0)  # pixels
_WAVELENGTH = (8.0, 14.0)  # pixels; long against a step, so that motion cannot be mistaken
_DISTRACTORS = (2, 3)
_GRAIN = 4.0  # standard deviation of the noise, of 255
_LONGEST_PATH = _SPEED[1] * (_MOVING_FRAMES[1] - 1)
_GRID = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)


@dataclass(frozen=True)
class ShapeClip:
    """One clip with its ground truth.

    Attributes:
        frames: RGB pictures, 0 to 255.
        truth: The moving object's pixels, in the frames in which it moves; False elsewhere, so
            ``truth.any((1, 2))`` are those frames.
        background: The same picture without the moving object.
        label: Index into ``DIRECTIONS``.
    """

    frames: VideoFrames
    truth: Bool[np.ndarray, "t h w"]
    background: UInt8[np.ndarray, "h w c"]
    label: int


@dataclass(frozen=True)
class _Object:
    """A textured shape that can be drawn anywhere."""

    shape: str
    radius: float
    colours: Float[np.ndarray, "2 3"]
    axis: Float[np.ndarray, "2"]
    phase: float

    @classmethod
    def draw_from(cls, rng: Generator) -> "_Object":
        angle, wavelength = rng.uniform(0, math.pi), rng.uniform(*_WAVELENGTH)
        return cls(
            shape=list(_SHAPES)[rng.integers(len(_SHAPES))],
            radius=rng.uniform(*_RADIUS),
            colours=_contrasting_colours(rng),
            axis=2 * math.pi / wavelength * np.array([math.sin(angle), math.cos(angle)]),
            phase=rng.uniform(0, 2 * math.pi),
        )

    def paint(self, picture: np.ndarray, centre: np.ndarray) -> Bool[np.ndarray, "h w"]:
        """Paint the object over ``picture`` and return the pixels it covers."""
        y, x = _GRID - centre[:, None, None].astype(np.float32)
        distance = _SHAPES[self.shape](y, x)
        inside: np.ndarray = distance <= self.radius
        if self.shape == "ring":
            inside &= distance >= _HOLE * self.radius
        along = np.sin(self.axis[0] * y + self.axis[1] * x + self.phase)
        across = np.sin(self.axis[1] * y - self.axis[0] * x + self.phase)
        picture[inside] = self.colours[(along * across > 0).astype(int)][inside]
        return inside


_SHAPES: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "disc": np.hypot,
    "square": lambda y, x: np.maximum(abs(y), abs(x)) * 1.15,
    "diamond": lambda y, x: (abs(y) + abs(x)) * 0.8,
    "ring": np.hypot,
}
"""Distance from the centre in the shape's own measure, so that all cover about the same."""
_HOLE = 0.4
"""Radius of a ring's hole, of 1."""


def shape_clip(seed: int, index: int) -> ShapeClip:
    """Draw clip number ``index``; the same numbers give the same clip, whatever came before."""
    rng = np.random.default_rng([seed, index])
    label = _draw_label(rng)
    background = _background(rng)
    for _ in range(rng.integers(_DISTRACTORS[0], _DISTRACTORS[1] + 1)):
        _Object.draw_from(rng).paint(background, rng.uniform(0, SIZE, size=2))
    moving = _Object.draw_from(rng)
    path, first, last = _path(rng, label)
    frames = np.repeat(background[None], FRAMES, axis=0)
    truth = np.zeros((FRAMES, SIZE, SIZE), dtype=bool)
    for t, centre in enumerate(path):
        covered = moving.paint(frames[t], centre)
        truth[t] = covered if first <= t <= last else False
    return ShapeClip(_quantise(frames), truth, _quantise(background), label)


def _path(rng: Generator, label: int) -> tuple[Float[np.ndarray, "t 2"], int, int]:
    """Centre of the object a frame, and the first and last frame in which it moves."""
    count = int(rng.integers(_MOVING_FRAMES[0], _MOVING_FRAMES[1] + 1))
    first = int(rng.integers(0, FRAMES - count + 1))
    angle = label * 2 * math.pi / len(DIRECTIONS)
    velocity = rng.uniform(*_SPEED) * np.array([-math.sin(angle), math.cos(angle)])
    margin = _RADIUS[1] + _LONGEST_PATH / 2
    middle = rng.uniform(margin, SIZE - margin, size=2)
    steps = np.clip(np.arange(FRAMES) - first, 0, count - 1) - (count - 1) / 2
    return middle + steps[:, None] * velocity, first, first + count - 1


def _background(rng: Generator) -> Float[np.ndarray, "h w c"]:
    """A soft slope between two colours under fine grain."""
    ends = rng.uniform(40, 215, size=(2, 3)).astype(np.float32)
    angle = rng.uniform(0, 2 * math.pi)
    slope = (math.sin(angle) * _GRID[0] + math.cos(angle) * _GRID[1]) / SIZE
    slope = (slope - slope.min())[..., None]
    grain = rng.normal(0, _GRAIN, size=(SIZE, SIZE, 1)).astype(np.float32)
    picture: np.ndarray = (1 - slope) * ends[0] + slope * ends[1] + grain
    return picture


def _contrasting_colours(rng: Generator) -> Float[np.ndarray, "2 3"]:
    """A dark and a light colour."""
    dark, light = rng.uniform(0, 90, size=3), rng.uniform(165, 255, size=3)
    return np.stack([dark, light])


def _quantise(picture: np.ndarray) -> UInt8[np.ndarray, "..."]:
    return picture.clip(0, 255).round().astype(np.uint8)


@in_our_words("data")
@validate_call
def shapes(
    num_clips: Annotated[int, Field(gt=0, le=_MOST_CLIPS)] = 2,
    seed: NonNegativeInt = 0,
    shard: str | None = None,
) -> list[Video]:
    """The first clips of a seed; nothing is drawn before it is read.

    Args:
        num_clips: How many, at least 1 and at most a million.
        seed: Another seed gives other clips; the small networks were trained on those of seed 1.
        shard: ``i/n``, every n-th clip from the i-th on; None for all.

    Returns:
        Videos of 16 frames of 64 x 64 pixels, whose label is the direction in which an object
        moves, and whose evidence is that object's pixels while it moves.

    Raises:
        ConfigError: If ``num_clips`` or ``seed`` cannot be used.
        DataError: If ``shard`` is not understood, or leaves nothing.
    """
    return [_video(seed, index) for index in share(range(num_clips), shard)]


def _video(seed: int, index: int) -> Video:
    label = DIRECTIONS[_draw_label(np.random.default_rng([seed, index]))]
    return Video(
        name=f"{label}-{seed}-{index:04d}",
        length=FRAMES,
        read=lambda indices: shape_clip(seed, index).frames[list(indices)],
        label=label,
        read_truth=lambda indices: shape_clip(seed, index).truth[list(indices)],
    )


def _draw_label(rng: Generator) -> int:
    """The first thing drawn, so that a clip's label is known without drawing the clip."""
    return int(rng.integers(len(DIRECTIONS)))
