"""What a mask must look like: terms added to the energy that the search minimises.

A term is called with the masks of one area on the padded plane and gives one number a clip; its
weight is a schedule over the iterations.
"""

import math
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from pydantic import ConfigDict, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from videxplain.filters import largest
from videxplain.types import Scores

Planes = Float[Tensor, "b t padded_h padded_w"]

_SPHERE = 0.5236
"""Share of its box that an ellipsoid fills, pi / 6 as rounded in the published recipe."""
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class Schedule:
    """Weight ``start * growth^t`` at iteration ``t``, 0 before iteration ``first``.

    Attributes:
        start: Weight at iteration 0.
        growth: Factor an iteration.
        first: First iteration in which the term counts.
    """

    start: NonNegativeFloat
    growth: PositiveFloat = 1.0
    first: NonNegativeInt = 0

    def at(self, iteration: float) -> float:
        """The weight at an iteration, counted from 0; between two of them too."""
        return self.start * self.growth**iteration if iteration >= self.first else 0.0


@runtime_checkable
class Term(Protocol):
    """A penalty on masks, with its weight."""

    weight: Schedule

    def __call__(self, masks: Planes, area: float) -> Scores:
        """The unweighted penalty of each mask."""
        ...


@dataclass(frozen=True, config=_STRICT)
class Area:
    r"""Squared distance of the sorted mask to a step function of the wanted area.

    .. math:: mean((sort(m) - r_a)^2)

    with :math:`r_a` zeros but for its last :math:`K = n - int(n (1 - a))` entries, ones. No sort is
    needed: the K largest values are compared with 1, the others with 0.
    Fong, Patrick and Vedaldi, ICCV 2019, eq. 4; over the whole clip as in Li et al., WACV 2021.

    Attributes:
        weight: Its schedule.
        per_frame: Keep the area in every frame (2D-EP) instead of in the whole clip.
    """

    weight: Schedule
    per_frame: bool = False

    def __call__(self, masks: Planes, area: float) -> Scores:
        """Zero when the mask is binary and of the right area."""
        values = masks.flatten(2) if self.per_frame else masks.flatten(1)[:, None]
        return _distance_to_step(values, values.shape[-1] - int(values.shape[-1] * (1 - area)))


@dataclass(frozen=True, config=_STRICT)
class Core:
    r"""Gather the mask into few solid bodies (STEP's smoothness term, Li et al., WACV 2021).

    The mask is averaged over bodies :math:`E` of ``length x size x size`` voxels, every frame and
    every ``size`` pixels: :math:`c = conv(m, E) / \sum E`. The
    :math:`K = \lceil a\, T H W / int(\pi / 6 \cdot length \cdot size^2) \rceil` fullest shall be 1,
    the others 0, each group with its own mean. Clips too short or small get smaller bodies.

    Attributes:
        weight: Its schedule.
        length: Frames of a body.
        size: Rows and columns of a body.
        shape: ``ellipsoid``, or ``cylinder`` with its axis along time.
    """

    weight: Schedule
    length: PositiveInt = 7
    size: PositiveInt = 11
    shape: Literal["ellipsoid", "cylinder"] = "ellipsoid"

    def __call__(self, masks: Planes, area: float) -> Scores:
        """Zero when the kept voxels fill bodies and nothing else."""
        length, *plane = masks.shape[1:]
        size = min(self.size, *plane)
        body = self._body(min(self.length, length), size).to(masks)
        stride = (1, size, size)
        filled = F.conv3d(masks[:, None], body[None, None], stride=stride) / body.sum()
        volume = max(1, int(body.numel() * _SPHERE))
        bodies = math.ceil(area * masks[0].numel() / volume)
        return _distance_to_step(filled.flatten(1)[:, None], bodies, balanced=True)

    def _body(self, length: int, size: int) -> Float[Tensor, "length size size"]:
        """Ones inside the body, at integer offsets from its centre."""
        across = _offsets(size)
        along = _offsets(length) if self.shape == "ellipsoid" else torch.zeros(length)
        squares = along[:, None, None] ** 2 + across[:, None] ** 2 + across**2
        return (squares <= 1).float()


def _offsets(size: int) -> Float[Tensor, "size"]:
    """Distance from the centre in units of the half-axis ``(size - 1) / 2``."""
    half = max((size - 1) / 2, 0.5)
    return (torch.arange(size) - (size - 1) / 2) / half


def _distance_to_step(
    values: Float[Tensor, "b sets n"], ones: int, *, balanced: bool = False
) -> Scores:
    """Mean squared distance of the ``ones`` largest of each set to 1 and of the others to 0.

    Args:
        values: Sets of values in [0, 1].
        ones: How many of a set should be 1; at most all are.
        balanced: Add the mean over the ones to the mean over the others, instead of one mean.
    """
    count = values.shape[-1]
    ones = min(ones, count)
    chosen = largest(values.detach(), ones)
    inside = (chosen * (values - 1).square()).sum(dim=-1)
    outside = ((1 - chosen) * values.square()).sum(dim=-1)
    if balanced:
        total = inside / ones + outside / max(count - ones, 1)
    else:
        total = (inside + outside) / count
    return total.mean(dim=-1)
