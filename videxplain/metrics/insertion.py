"""How fast the class appears, or goes, as the clip is filled in by relevance.

Petsiuk, Das and Saenko, "RISE: randomized input sampling for explanation of black-box models", BMVC
2018, https://arxiv.org/abs/1806.07421; blocks of pixels of a frame as units: Li et al.,
"Spatio-temporal perturbations for video attribution", TCSVT 2021, https://arxiv.org/abs/2109.00222;
least relevant first: Samek et al., "Evaluating the visualization of what a deep neural network has
learned", TNNLS 2017, https://arxiv.org/abs/1509.06321; pieces of one colour: Rieger and Hansen,
"IROF: a low resource evaluation metric for explanation methods", ICLR workshop 2020,
https://arxiv.org/abs/2003.08747.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import ConfigDict, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional

from videxplain.baselines import Baseline, make_baseline
from videxplain.measures import Category, Curve
from videxplain.metrics.filling import Filling, Ranks, Unit, segment_ranks, unit_ranks
from videxplain.metrics.supervoxels import supervoxels
from videxplain.scores import is_first, probability
from videxplain.types import Attribution, Classifier, Clips, Cost, Measure, Saliency
from videxplain.words import Polarity

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class _Filled:
    """What these metrics have in common.

    Attributes:
        steps: Times that the network is asked after the first; a clip of fewer units has fewer.
        baseline: ``zero``, ``black``, ``blur`` or ``mean``.
        polarity: How signed values become saliency.
        batch_size: Clips that the network sees at once.
    """

    steps: PositiveInt = 128
    baseline: Baseline = "zero"
    polarity: Polarity = "positive"
    batch_size: PositiveInt = 2

    category: ClassVar[Category] = "causal"
    citation: ClassVar[str] = "Petsiuk et al., BMVC 2018"
    ranks: ClassVar[Literal[True]] = True

    _deletes: ClassVar[bool] = False
    _least_first: ClassVar[bool] = False

    @property
    def cost(self) -> Cost:
        """A pass a stop."""
        return Cost(self.steps + 1, 0)

    def _way(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Filling:
        nothing = make_baseline(self.baseline, classifier, clips.frames)
        ranks = self._ranks(clips, attribution.saliency(self.polarity))
        ends = (clips.frames, nothing) if self._deletes else (nothing, clips.frames)
        return Filling(*ends, ranks, self.steps)

    def _ranks(self, clips: Clips, saliency: Saliency) -> Ranks:
        return unit_ranks(saliency, self._unit(clips), least_first=self._least_first)

    def _unit(self, clips: Clips) -> Unit:
        """Whole frames, one at a time."""
        return (1, *clips.frames.shape[-2:])


@dataclass(frozen=True, config=_STRICT)
class _Blocks(_Filled):
    """Those that fill in blocks of pixels.

    Attributes:
        block: Rows and columns of a block in pixels; 1 for single pixels.
        frames: Frames of a block.
        steps: Times that the network is asked after the first; a clip of fewer blocks has fewer.
        baseline: ``zero``, ``black``, ``blur`` or ``mean``.
        polarity: How signed values become saliency.
        batch_size: Clips that the network sees at once.
    """

    block: PositiveInt = 16
    frames: PositiveInt = 1

    def _unit(self, clips: Clips) -> Unit:  # noqa: ARG002
        return self.frames, self.block, self.block


class _AUC(_Filled):
    """Those that are the area under the target's probability."""

    def curve(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Curve:
        """Probability of the target against the share of units changed, from 0 to 1."""
        way = self._way(classifier, clips, attribution)
        values = way.scores(classifier, attribution.target, probability, self.batch_size)
        return Curve(way.shares, values)

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:
        """The area under the curve."""
        return self.curve(classifier, clips, attribution).area()


@dataclass(frozen=True, config=_STRICT)
class InsertionAUC(_Blocks, _AUC):
    """Area under the target's probability as blocks enter a baseline, most relevant first."""

    name: ClassVar[str] = "insertion_auc"
    higher_is_better: ClassVar[bool | None] = True


@dataclass(frozen=True, config=_STRICT)
class DeletionAUC(_Blocks, _AUC):
    """Area under the target's probability as blocks yield to a baseline, most relevant first."""

    name: ClassVar[str] = "deletion_auc"
    higher_is_better: ClassVar[bool | None] = False
    _deletes: ClassVar[bool] = True


@dataclass(frozen=True, config=_STRICT)
class InsertionLeRFAUC(_Blocks, _AUC):
    """Area under the target's probability as blocks enter a baseline, least relevant first."""

    name: ClassVar[str] = "insertion_lerf_auc"
    higher_is_better: ClassVar[bool | None] = False
    citation: ClassVar[str] = "Samek et al., TNNLS 2017"
    _least_first: ClassVar[bool] = True


@dataclass(frozen=True, config=_STRICT)
class DeletionLeRFAUC(_Blocks, _AUC):
    """Area under the target's probability as blocks yield to a baseline, least relevant first."""

    name: ClassVar[str] = "deletion_lerf_auc"
    higher_is_better: ClassVar[bool | None] = True
    citation: ClassVar[str] = "Samek et al., TNNLS 2017"
    _deletes: ClassVar[bool] = True
    _least_first: ClassVar[bool] = True


@dataclass(frozen=True, config=_STRICT)
class TemporalInsertionAUC(_AUC):
    """Area under the target's probability as frames enter a baseline, most relevant first."""

    name: ClassVar[str] = "temporal_insertion_auc"
    higher_is_better: ClassVar[bool | None] = True


@dataclass(frozen=True, config=_STRICT)
class TemporalDeletionAUC(_AUC):
    """Area under the target's probability as frames yield to a baseline, most relevant first."""

    name: ClassVar[str] = "temporal_deletion_auc"
    higher_is_better: ClassVar[bool | None] = False
    _deletes: ClassVar[bool] = True


@dataclass(frozen=True, config=_STRICT)
class _Supervoxels(_AUC):
    """Those that fill in supervoxels: pieces of one colour that follow what is in the clip.

    They differ in size, so that the curve is drawn against the share of the voxels.

    Attributes:
        num_segments: Supervoxels of a clip, about.
        compactness: Weight of nearness against likeness of colour; the more, the more like cubes.
        spacing: Distance of neighbouring frames in pixels; the more, the fewer frames each has.
        steps: Times that the network is asked after the first; a clip of fewer supervoxels has
            fewer.
        baseline: ``zero``, ``black``, ``blur`` or ``mean``.
        polarity: How signed values become saliency.
        batch_size: Clips that the network sees at once.
    """

    num_segments: PositiveInt = 256
    compactness: PositiveFloat = 10.0
    spacing: PositiveFloat = 1.0

    citation: ClassVar[str] = "Rieger and Hansen, ICLR workshop 2020"

    def curve(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Curve:
        """Probability of the target against the share of voxels changed, from 0 to 1.

        A clip of fewer stops than ``steps`` has its last one again and again.
        """
        shares, values = [], []
        for index in range(len(clips)):  # each has supervoxels of its own
            clip, explanation = _alone(clips, attribution, index)
            way = self._way(classifier, clip, explanation)
            target = explanation.target
            shares.append(way.voxel_shares[:, 0])
            values.append(way.scores(classifier, target, probability, self.batch_size)[:, 0])
        return Curve(self._together(shares), self._together(values))

    def _ranks(self, clips: Clips, saliency: Saliency) -> Ranks:
        segments = supervoxels(clips, 0, self.num_segments, self.compactness, self.spacing)
        return segment_ranks(saliency, segments)

    def _together(self, rows: Sequence[Float[Tensor, "a _"]]) -> Float[Tensor, "a b n"]:
        stops = self.steps + 1  # rather than the most of the batch, on which no clip may depend
        same = (functional.pad(row, (0, stops - row.shape[1]), "replicate") for row in rows)
        return torch.stack(tuple(same), dim=1)


def _alone(clips: Clips, attribution: Attribution, index: int) -> tuple[Clips, Attribution]:
    """One clip of a batch, as far as it is measured here."""
    one = slice(index, index + 1)
    pixels = None if clips.pixels is None else clips.pixels[one]
    values, target = attribution.values[:, one], attribution.target[one]
    clip = Clips(clips.frames[one], names=clips.names[one], pixels=pixels)
    return clip, replace(attribution, values=values, target=target, curves={})


@dataclass(frozen=True, config=_STRICT)
class SupervoxelInsertionAUC(_Supervoxels):
    """Area under the target's probability as supervoxels enter a baseline, most relevant first.

    Supervoxels are pieces of one colour, and the share is that of the voxels.
    """

    name: ClassVar[str] = "supervoxel_insertion_auc"
    higher_is_better: ClassVar[bool | None] = True


@dataclass(frozen=True, config=_STRICT)
class SupervoxelDeletionAUC(_Supervoxels):
    """Area under the target's probability as supervoxels yield to a baseline, most relevant first.

    Supervoxels are pieces of one colour, and the share is that of the voxels.
    """

    name: ClassVar[str] = "supervoxel_deletion_auc"
    higher_is_better: ClassVar[bool | None] = False
    _deletes: ClassVar[bool] = True


@dataclass(frozen=True, config=_STRICT)
class MinimalPreservingArea(_Blocks):
    """Least share of blocks, most relevant first, for which the target is the network's choice.

    The rest is the baseline, here a blurred clip where no other is given. NaN where the target is
    not the network's choice for the whole clip. The smallest sufficient region of Dabkowski and
    Gal, "Real time image saliency for black box classifiers", NeurIPS 2017,
    https://arxiv.org/abs/1705.07857, in blocks instead of a box.

    Attributes:
        baseline: ``zero``, ``black``, ``blur`` or ``mean``.
        block: Rows and columns of a block in pixels; 1 for single pixels.
        frames: Frames of a block.
        steps: Times that the network is asked after the first; a clip of fewer blocks has fewer.
        polarity: How signed values become saliency.
        batch_size: Clips that the network sees at once.
    """

    baseline: Baseline = "blur"

    name: ClassVar[str] = "minimal_preserving_area"
    higher_is_better: ClassVar[bool | None] = False
    citation: ClassVar[str] = "Dabkowski and Gal, NeurIPS 2017"

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:
        """The first stop on the way from the baseline to the clip that preserves the class."""
        way = self._way(classifier, clips, attribution)
        chosen = way.scores(classifier, attribution.target, is_first, self.batch_size)
        least = way.shares[chosen.argmax(dim=-1)]
        return torch.where(chosen[..., -1] > 0, least, float("nan"))
