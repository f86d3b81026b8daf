"""Whether an attribution finds the evidence, where clips say what it is.

Values that are equal share what they get: a flat attribution scores as a random one is expected to.
Where no other source is named: Li et al., "Spatio-temporal perturbations for video attribution",
TCSVT 2021, https://arxiv.org/abs/2109.00222.
"""

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar

import torch
from jaxtyping import Bool, Float
from pydantic import ConfigDict, Field, NonNegativeInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional

from videxplain.filters import largest, top_share
from videxplain.measures import NOTHING, Category, unknown
from videxplain.types import (
    Attribution,
    Classifier,
    Clips,
    Cost,
    Measure,
    Saliency,
    Truth,
)
from videxplain.words import Polarity

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class _Located(ABC):
    """What these metrics have in common.

    Attributes:
        polarity: How signed values become saliency.
    """

    polarity: Polarity = "positive"

    higher_is_better: ClassVar[bool | None] = True
    category: ClassVar[Category] = "ground truth"
    citation: ClassVar[str] = "Li et al., TCSVT 2021"

    @property
    def cost(self) -> Cost:
        """The network is not asked."""
        return NOTHING

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:  # noqa: ARG002
        """Compare with ``clips.truth``; NaN for a clip without evidence."""
        if clips.truth is None:
            return unknown(attribution)
        found = self.compare(attribution.saliency(self.polarity), clips.truth)
        there = clips.truth.flatten(1).any(dim=-1)
        return torch.where(there, found, unknown(attribution))

    @abstractmethod
    def compare(self, saliency: Saliency, truth: Truth) -> Measure:
        """Of clips that have evidence; of others anything."""


@dataclass(frozen=True, config=_STRICT)
class TopPrecision(_Located):
    """Share of the most salient voxels that lie inside the evidence, over space and time.

    Attributes:
        share: How many voxels count as most salient, as a share of the clip; of equal voxels at
            the limit, each counts in part.
        polarity: How signed values become saliency.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 0.05

    name: ClassVar[str] = "top_precision"

    def compare(self, saliency: Saliency, truth: Truth) -> Measure:
        """The same number of voxels for every clip."""
        values = saliency.flatten(2)
        chosen = top_share(values, self.share)
        return (chosen * truth.flatten(1)).sum(dim=-1) / chosen.sum(dim=-1)


@dataclass(frozen=True, config=_STRICT)
class PrecisionAtArea(_Located):
    """Share of the most salient voxels that are evidence, as many voxels as the evidence has.

    It is the recall as well.
    """

    name: ClassVar[str] = "precision_at_area"

    def compare(self, saliency: Saliency, truth: Truth) -> Measure:
        """Over space and time."""
        return _found(saliency.flatten(2), truth.flatten(1))


@dataclass(frozen=True, config=_STRICT)
class IoUAtArea(_Located):
    """Intersection over union of the evidence and as many of the most salient voxels."""

    name: ClassVar[str] = "iou_at_area"

    def compare(self, saliency: Saliency, truth: Truth) -> Measure:
        """Over space and time."""
        return _iou(_found(saliency.flatten(2), truth.flatten(1)))


@dataclass(frozen=True, config=_STRICT)
class TemporalIoU(_Located):
    """Intersection over union of the frames with evidence and as many of the most salient ones."""

    name: ClassVar[str] = "temporal_iou"

    def compare(self, saliency: Saliency, truth: Truth) -> Measure:
        """By the frames' mean saliency."""
        return _iou(_found(saliency.mean(dim=(3, 4)), _frames(truth)))


@dataclass(frozen=True, config=_STRICT)
class EnergyInside(_Located):
    """Share of all saliency that lies in the evidence.

    Wang et al., "Score-CAM", CVPR Workshops 2020 (the energy-based pointing game).
    """

    citation: ClassVar[str] = "Wang et al., CVPR Workshops 2020"
    name: ClassVar[str] = "energy_inside"

    def compare(self, saliency: Saliency, truth: Truth) -> Measure:
        """Over space and time; NaN where there is no saliency."""
        return (saliency * truth).flatten(2).sum(dim=-1) / saliency.flatten(2).sum(dim=-1)


@dataclass(frozen=True, config=_STRICT)
class PointingGame(_Located):
    """Share of the frames with evidence whose most salient pixel lies in it.

    Zhang et al., "Top-down neural attention by excitation backprop", IJCV 2018, frame by frame.

    Attributes:
        tolerance: Pixels from the evidence that still count.
        polarity: How signed values become saliency.
    """

    tolerance: NonNegativeInt = 0

    citation: ClassVar[str] = "Zhang et al., IJCV 2018"
    name: ClassVar[str] = "pointing_game"

    def compare(self, saliency: Saliency, truth: Truth) -> Measure:
        """Frames without evidence do not count."""
        hits = largest(saliency.flatten(3), 1) * _widened(truth, self.tolerance).flatten(2)
        there = _frames(truth)
        return (hits.sum(dim=-1) * there).sum(dim=-1) / there.sum(dim=-1)


@dataclass(frozen=True, config=_STRICT)
class TemporalPointingGame(_Located):
    """Whether the most salient frame is one with evidence."""

    name: ClassVar[str] = "temporal_pointing_game"

    def compare(self, saliency: Saliency, truth: Truth) -> Measure:
        """By the frames' mean saliency."""
        return (largest(saliency.mean(dim=(3, 4)), 1) * _frames(truth)).sum(dim=-1)


def _found(values: Float[Tensor, "a b n"], truth: Bool[Tensor, "b n"]) -> Measure:
    """Share of the largest values that are true, as many as are true."""
    found = values.new_full(values.shape[:2], float("nan"))
    for b, true in enumerate(truth):
        count = int(true.sum())
        if count:
            found[:, b] = (largest(values[:, b], count) * true).sum(dim=-1) / count
    return found


def _iou(share: Measure) -> Measure:
    """Of two sets of one size, from the share of each that lies in the other."""
    return share / (2 - share)


def _frames(truth: Truth) -> Bool[Tensor, "b t"]:
    """Those with evidence."""
    return truth.flatten(2).any(dim=-1)


def _widened(truth: Truth, tolerance: int) -> Truth:
    """The pixels of each frame no farther than the tolerance from one that is true."""
    reach = torch.arange(-tolerance, tolerance + 1, device=truth.device)
    disc = (reach[:, None] ** 2 + reach**2 <= tolerance**2).float()
    frames = truth.flatten(0, 1)[:, None].float()
    near = functional.conv2d(frames, disc[None, None], padding=tolerance)
    return (near > 0.5).reshape(truth.shape)  # noqa: PLR2004  # counts of pixels, rounded
