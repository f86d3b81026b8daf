"""Clips between two versions of themselves: unit by unit, in the order of relevance."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from videxplain.chunks import Chunks, accelerated
from videxplain.types import Classifier, Frames, Logits, Saliency, Scores, Targets

Ranks = Int[Tensor, "a b t h w"]
"""Place of each voxel's unit in the order of relevance, 0 for the first."""
Unit = tuple[int, int, int]
"""Frames, rows and columns that change together."""
Segments = Int[Tensor, "t h w"]
"""The unit that each voxel of a clip belongs to, numbered from 0 without gaps."""


def unit_ranks(saliency: Saliency, unit: Unit, *, least_first: bool = False) -> Ranks:
    """Order the units of each clip by the mean saliency of their voxels.

    Equal ones come in an order drawn once for all, so that a flat attribution does as a random one.

    Args:
        saliency: Importance of each voxel.
        unit: Its size; those at the end of an axis may be smaller.
        least_first: Whether the least relevant unit is the first.
    """
    areas, _, length, height, width = saliency.shape
    t, y, x = (min(sides) for sides in zip(unit, (length, height, width), strict=True))
    # summed with more digits than are compared, so that equal ones of different sizes are equal
    maps = rearrange(saliency.cpu().double(), "a b t h w -> (a b) 1 t h w")
    pooled = functional.avg_pool3d(maps, (t, y, x), ceil_mode=True, count_include_pad=False)[:, 0]
    worth = pooled.flatten(1).to(torch.float32).to(saliency.device)
    ranks = _ranks(worth).reshape_as(pooled)
    ranks = ranks.max() - ranks if least_first else ranks
    voxels = repeat(ranks, "n t y x -> n (t tt) (y yy) (x xx)", tt=t, yy=y, xx=x)
    return rearrange(voxels[:, :length, :height, :width], "(a b) t h w -> a b t h w", a=areas)


def segment_ranks(saliency: Saliency, segments: Segments) -> Ranks:
    """Order units of any shape and size, those of one clip, by the same rule.

    Args:
        saliency: Importance of each voxel, at every area; b is 1.
        segments: The units.
    """
    units, sizes = segments.flatten().cpu(), segments.flatten().cpu().bincount()
    maps = rearrange(saliency.cpu().double(), "a 1 t h w -> a (t h w)")
    sums = maps.new_zeros(len(maps), len(sizes)).index_add_(1, units, maps)
    ranks = _ranks((sums / sizes).to(torch.float32))
    return ranks[:, units].reshape_as(saliency).to(saliency.device)


def _ranks(worth: Float[Tensor, "n units"]) -> Int[Tensor, "n units"]:
    drawn = torch.randperm(worth.shape[1], generator=torch.Generator().manual_seed(0))
    drawn = drawn.to(worth.device)
    order = drawn[worth[:, drawn].argsort(dim=1, descending=True, stable=True)]
    return order.argsort(dim=1)


@dataclass(frozen=True)
class Filling:
    """The way from one version of the clips to another.

    Attributes:
        before: What is shown at first.
        after: What is shown in the end.
        ranks: When each voxel changes.
        steps: Most stops on the way after the first; with fewer units each is a stop.
    """

    before: Frames
    after: Frames
    ranks: Ranks
    steps: int

    @property
    def shares(self) -> Float[Tensor, "stops"]:
        """Share of the units that have changed at each stop."""
        return self._counts.to(self.before) / self._counts[-1]

    @property
    def voxel_shares(self) -> Float[Tensor, "a b stops"]:
        """Share of the voxels that have changed there, for units that differ in size."""
        counts = self._counts
        rows = rearrange(self.ranks, "a b t h w -> (a b) (t h w)")
        sizes = torch.stack([row.bincount(minlength=int(counts[-1])) for row in rows])
        changed = functional.pad(sizes.cumsum(dim=1), (1, 0))[:, counts]
        shares = changed.to(self.before) / rows.shape[1]
        return rearrange(shares, "(a b) stops -> a b stops", a=len(self.ranks))

    @property
    def _counts(self) -> Int[Tensor, "stops"]:
        units = int(self.ranks.max()) + 1
        return torch.linspace(0, units, min(self.steps, units) + 1).round().to(self.ranks)

    def scores(
        self,
        classifier: Classifier,
        target: Targets,
        score: Callable[[Logits, Targets], Scores],
        batch_size: int,
    ) -> Float[Tensor, "a b stops"]:
        """Score the clips at every stop.

        Args:
            classifier: The network.
            target: The class explained, one a clip.
            score: What is kept of its answer.
            batch_size: Clips that it sees at once.
        """
        areas, clips = self.ranks.shape[:2]
        counts, network = self._counts, accelerated(classifier)
        # laid end to end: areas, clips, stops
        found = self.before.new_empty(areas * clips * len(counts))

        @torch.no_grad()
        def ask(part: slice) -> None:
            asked = torch.arange(part.start, part.stop, device=counts.device)
            mask, stop = asked // len(counts), asked % len(counts)
            clip = mask % clips
            changed = self.ranks.flatten(0, 1)[mask] < counts[stop][:, None, None, None]
            shown = torch.where(changed[:, None], self.after[clip], self.before[clip])
            found[part] = score(network(shown), target[clip]).to(found)

        Chunks(batch_size)(len(found), ask)
        return found.reshape(areas, clips, len(counts))
