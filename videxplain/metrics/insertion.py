"""How fast the class appears, or goes, as the clip is filled in by relevance.

Petsiuk, Das and Saenko, "RISE: randomized input sampling for explanation of black-box models", BMVC
2018, https://arxiv.org/abs/1806.07421; blocks of pixels of a frame as units: Li et al.,
"Spatio-temporal perturbations for video attribution", TCSVT 2021, https://arxiv.org/abs/2109.00222.
"""

from dataclasses import dataclass as plain_dataclass
from functools import partial
from typing import ClassVar

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from videxplain.baselines import Baseline, make_baseline
from videxplain.chunks import Chunks, accelerated
from videxplain.scores import probability
from videxplain.types import (
    Attribution,
    Classifier,
    Clips,
    Frames,
    Measure,
    Network,
    Polarity,
    Saliency,
)

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class InsertionAUC:
    """Area under the target's probability as blocks are put into a baseline, most relevant first.

    Attributes:
        block: Rows and columns of a block in pixels; a block lies in one frame.
        steps: Times that the network is asked after the first; a clip of fewer blocks has fewer.
        baseline: ``zero``, ``black``, ``blur`` or ``mean``.
        polarity: How signed values become saliency.
        batch_size: Clips that the network sees at once.
    """

    block: PositiveInt = 16
    steps: PositiveInt = 128
    baseline: Baseline = "zero"
    polarity: Polarity = "positive"
    batch_size: PositiveInt = 2

    name: ClassVar[str] = "insertion_auc"
    higher_is_better: ClassVar[bool | None] = True

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:
        """Average the curve over the share of blocks inserted, from 0 to 1."""
        nothing = make_baseline(self.baseline, classifier, clips.frames)
        ranks = block_ranks(attribution.saliency(self.polarity), self.block)
        filling = _Filling(nothing, clips.frames, ranks, self.steps)
        return filling.auc(classifier, attribution, self.batch_size)


@dataclass(frozen=True, config=_STRICT)
class DeletionAUC:
    """The same as blocks of the clip are replaced by the baseline, most relevant first.

    Attributes:
        block: Rows and columns of a block in pixels; a block lies in one frame.
        steps: Times that the network is asked after the first; a clip of fewer blocks has fewer.
        baseline: ``zero``, ``black``, ``blur`` or ``mean``.
        polarity: How signed values become saliency.
        batch_size: Clips that the network sees at once.
    """

    block: PositiveInt = 16
    steps: PositiveInt = 128
    baseline: Baseline = "zero"
    polarity: Polarity = "positive"
    batch_size: PositiveInt = 2

    name: ClassVar[str] = "deletion_auc"
    higher_is_better: ClassVar[bool | None] = False

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:
        """Average the curve over the share of blocks deleted, from 0 to 1."""
        nothing = make_baseline(self.baseline, classifier, clips.frames)
        ranks = block_ranks(attribution.saliency(self.polarity), self.block)
        filling = _Filling(clips.frames, nothing, ranks, self.steps)
        return filling.auc(classifier, attribution, self.batch_size)


def block_ranks(saliency: Saliency, block: int) -> Int[Tensor, "a b t h w"]:
    """Place of each voxel's block in the order of relevance, 0 for the most relevant.

    A block is worth the mean saliency of its pixels; equal ones keep their order in the clip.

    Args:
        saliency: Importance of each voxel.
        block: Rows and columns of a block; those at the end may be smaller.
    """
    areas, _, length, height, width = saliency.shape
    frames = rearrange(saliency, "a b t h w -> (a b) t h w")
    worth = F.avg_pool2d(frames, block, ceil_mode=True, count_include_pad=False)
    order = worth.flatten(1).argsort(dim=1, descending=True, stable=True)
    ranks = order.argsort(dim=1).reshape_as(worth)
    voxels = repeat(ranks, "n t y x -> n t (y i) (x j)", i=block, j=block)
    return rearrange(voxels[..., :height, :width], "(a b) t h w -> a b t h w", a=areas, t=length)


@plain_dataclass(frozen=True)
class _Filling:
    """The way from one version of the clips to another, block by block.

    Attributes:
        before: What is shown at first.
        after: What is shown in the end.
        ranks: When each voxel changes.
        steps: Most stops on the way.
    """

    before: Frames
    after: Frames
    ranks: Int[Tensor, "a b t h w"]
    steps: int

    def auc(self, classifier: Classifier, attribution: Attribution, batch_size: int) -> Measure:
        """Area under the target's probability, over the share of blocks that have changed."""
        areas, clips = self.ranks.shape[:2]
        blocks = int(self.ranks.max()) + 1
        counts = torch.linspace(0, blocks, min(self.steps, blocks) + 1).round().to(self.ranks)
        curve = self.before.new_empty(areas * clips * len(counts))
        run = partial(self._ask, accelerated(classifier), attribution, counts, curve)
        Chunks(batch_size)(len(curve), run)
        share = counts.to(curve) / blocks
        return torch.trapezoid(curve.reshape(areas, clips, len(counts)), share, dim=-1)

    @torch.no_grad()
    def _ask(
        self,
        network: Network,
        attribution: Attribution,
        counts: Int[Tensor, "stops"],
        curve: Float[Tensor, "asked"],
        part: slice,
    ) -> None:
        """Fill in a part of the curves, which are laid end to end: areas, clips, stops."""
        asked = torch.arange(part.start, part.stop, device=counts.device)
        mask, stop = asked // len(counts), asked % len(counts)
        clip = mask % len(self.before)
        changed = self.ranks.flatten(0, 1)[mask] < counts[stop][:, None, None, None]
        shown = torch.where(changed[:, None], self.after[clip], self.before[clip])
        curve[part] = probability(network(shown), attribution.target[clip])
