"""Where an attribution points, against the pixels that are known to be the evidence.

Values that are equal share what they get: a flat attribution scores as a random one is expected to.
Every metric is NaN for a clip without evidence, and where nothing is attributed.
"""

from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import ConfigDict, NonNegativeInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional

from videxplain.filters import largest
from videxplain.types import Attribution, Classifier, Clips, Measure, Polarity, Saliency, Truth

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class PointingGame:
    """Share of the frames with evidence whose most salient pixel lies in it.

    Zhang et al., "Top-down neural attention by excitation backprop", IJCV 2018, frame by frame.

    Attributes:
        tolerance: Pixels from the evidence that still count.
        polarity: How signed values become saliency.
    """

    tolerance: NonNegativeInt = 0
    polarity: Polarity = "positive"

    name: ClassVar[str] = "pointing_game"
    higher_is_better: ClassVar[bool | None] = True

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:  # noqa: ARG002
        """Average over the frames that have evidence; the others do not count."""
        if clips.truth is None:
            return _unknown(attribution)
        saliency = attribution.saliency(self.polarity)
        near = _widened(clips.truth, self.tolerance)
        hits = (_peaks(saliency.flatten(3)) * near.flatten(2)).sum(dim=-1)
        there = clips.truth.any(dim=-1).any(dim=-1)
        return _where_any(saliency, (hits * there).sum(dim=-1) / there.sum(dim=-1))


@dataclass(frozen=True, config=_STRICT)
class TemporalPointingGame:
    """Whether the most salient frame is one with evidence.

    Attributes:
        polarity: How signed values become saliency.
    """

    polarity: Polarity = "positive"

    name: ClassVar[str] = "temporal_pointing_game"
    higher_is_better: ClassVar[bool | None] = True

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:  # noqa: ARG002
        """Compare the frames' mean saliency."""
        if clips.truth is None:
            return _unknown(attribution)
        saliency = attribution.saliency(self.polarity)
        there = clips.truth.any(dim=-1).any(dim=-1)
        hits = (_peaks(saliency.mean(dim=(3, 4))) * there).sum(dim=-1)
        return _where_any(saliency, hits).where(there.any(dim=-1), float("nan"))


@dataclass(frozen=True, config=_STRICT)
class EnergyInside:
    """Share of all saliency that lies in the evidence.

    Wang et al., "Score-CAM", CVPR Workshops 2020 (the energy-based pointing game).

    Attributes:
        polarity: How signed values become saliency.
    """

    polarity: Polarity = "positive"

    name: ClassVar[str] = "energy_inside"
    higher_is_better: ClassVar[bool | None] = True

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:  # noqa: ARG002
        """Sum over space and time."""
        if clips.truth is None:
            return _unknown(attribution)
        saliency = attribution.saliency(self.polarity)
        inside = (saliency * clips.truth).flatten(2).sum(dim=-1)
        share = inside / saliency.flatten(2).sum(dim=-1)  # 0 / 0 is NaN
        return share.where(clips.truth.flatten(1).any(dim=-1), float("nan"))


@dataclass(frozen=True, config=_STRICT)
class PrecisionAtArea:
    """Share of the most salient voxels that are evidence, as many voxels as the evidence has.

    It is the recall as well.

    Attributes:
        polarity: How signed values become saliency.
    """

    polarity: Polarity = "positive"

    name: ClassVar[str] = "precision_at_area"
    higher_is_better: ClassVar[bool | None] = True

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:  # noqa: ARG002
        """Over space and time."""
        if clips.truth is None:
            return _unknown(attribution)
        saliency = attribution.saliency(self.polarity)
        return _where_any(saliency, _found(saliency.flatten(2), clips.truth.flatten(1)))


@dataclass(frozen=True, config=_STRICT)
class IoUAtArea:
    """Intersection over union of the evidence and as many of the most salient voxels.

    Attributes:
        polarity: How signed values become saliency.
    """

    polarity: Polarity = "positive"

    name: ClassVar[str] = "iou_at_area"
    higher_is_better: ClassVar[bool | None] = True

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:
        """Over space and time; both sets have one size, so the precision decides."""
        share = PrecisionAtArea(self.polarity)(classifier, clips, attribution)
        return share / (2 - share)


@dataclass(frozen=True, config=_STRICT)
class TemporalIoU:
    """Intersection over union of the frames with evidence and as many of the most salient ones.

    Attributes:
        polarity: How signed values become saliency.
    """

    polarity: Polarity = "positive"

    name: ClassVar[str] = "temporal_iou"
    higher_is_better: ClassVar[bool | None] = True

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:  # noqa: ARG002
        """Compare the frames' mean saliency."""
        if clips.truth is None:
            return _unknown(attribution)
        saliency = attribution.saliency(self.polarity)
        there = clips.truth.any(dim=-1).any(dim=-1)
        share = _found(saliency.mean(dim=(3, 4)), there)
        return _where_any(saliency, share / (2 - share))


def _found(values: Float[Tensor, "a b n"], truth: Float[Tensor, "b n"] | Tensor) -> Measure:
    """Share of the largest values that are true, as many as are true."""
    found = values.new_full(values.shape[:2], float("nan"))
    for b, true in enumerate(truth):
        count = int(true.sum())
        if count:
            found[:, b] = (largest(values[:, b], count) * true).sum(dim=-1) / count
    return found


def _peaks(values: Float[Tensor, "*sets n"]) -> Float[Tensor, "*sets n"]:
    """One at the largest value of each set, which equal ones share."""
    return largest(values, 1)


def _widened(truth: Truth, tolerance: int) -> Truth:
    """The pixels of each frame no farther than the tolerance from one that is true."""
    reach = torch.arange(-tolerance, tolerance + 1, device=truth.device)
    disc = (reach[:, None] ** 2 + reach**2 <= tolerance**2).float()
    frames = truth.flatten(0, 1)[:, None].float()
    near = functional.conv2d(frames, disc[None, None], padding=tolerance)
    return (near > 0.5).reshape(truth.shape)  # noqa: PLR2004  # counts of pixels, rounded


def _where_any(saliency: Saliency, measure: Measure) -> Measure:
    """NaN where nothing is salient."""
    return measure.where(saliency.flatten(2).amax(dim=-1) > 0, float("nan"))


def _unknown(attribution: Attribution) -> Measure:
    """What is measured where no clip says what its evidence is."""
    values = attribution.values
    return torch.full(values.shape[:2], float("nan"), device=values.device)
