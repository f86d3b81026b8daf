"""Random masks, averaged by how well the network knows the class through them.

Petsiuk, Das and Saenko, "RISE: randomized input sampling for explanation of black-box models",
BMVC 2018, https://arxiv.org/abs/1806.07421
"""

import math
from itertools import product
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import ConfigDict, Field, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from videxplain.baselines import Baseline
from videxplain.methods.masking import CellGrid, Mask, MaskedCopies
from videxplain.seeding import clip_generator
from videxplain.types import Attribution, Classifier, Clips, Cost, Targets


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RISE:
    r"""The mean of random masks, each weighted by the probability of the target through it.

    .. math:: \frac{1}{E[M]\, N} \sum_{i=1}^{N} (p(x \odot M_i) - \bar p)\, M_i

    with the mean :math:`\bar p` over the clip's masks, so that voxels which do not matter have 0.
    Published is the sum without it: with many masks that adds the same to all voxels, with few it
    also shows which of them the masks happen to keep more often.

    A mask is a coarse grid whose cells are kept with probability :math:`E[M]`, enlarged linearly in
    time, height and width by one cell more than the clip needs, and cut to the clip at a random
    place within that cell. Where a mask is 0, the baseline is seen.

    Attributes:
        samples: N, masks a clip.
        grid: Cells along time, height and width.
        kept: :math:`E[M]`, the probability that a cell is kept, in (0, 1).
        centred: Whether :math:`\bar p` is taken off; False is as published, and has no sign.
        baseline: ``black``, ``blur``, ``mean`` or ``zero``.
        seed: Together with a clip's name it fixes the masks.
        batch_size: Masked clips that the network sees at once.
    """

    samples: PositiveInt = 500
    grid: CellGrid = (4, 7, 7)
    kept: Annotated[float, Field(gt=0, lt=1)] = 0.5
    centred: bool = True
    baseline: Baseline = "zero"
    seed: int = 0
    batch_size: PositiveInt = 2

    signed: ClassVar[bool] = True
    complete: ClassVar[bool] = False
    deterministic: ClassVar[bool] = False
    citation: ClassVar[str] = "Petsiuk et al., BMVC 2018, arXiv 1806.07421"

    @property
    def cost(self) -> Cost:
        """One forward pass a mask."""
        return Cost(self.samples, 0)

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:
        """Attribute the probability of ``target`` to the pixels of ``clips``."""

        def mask(clip: int, sample: int) -> Mask:
            return self._mask(clips, clip, sample)

        copies = MaskedCopies(self.samples, mask, self.baseline, self.batch_size)
        weights = copies.scores(classifier, clips, target, "probability")
        weights = weights.to(torch.promote_types(weights.dtype, torch.float32))
        if self.centred:
            weights = weights - weights.mean(dim=1, keepdim=True)
        values = weights.new_zeros(len(clips), *clips.frames.shape[2:])
        for clip, sample in product(range(len(clips)), range(self.samples)):
            values[clip] += weights[clip, sample] * mask(clip, sample).to(weights)  # drawn anew
        values /= self.kept * self.samples
        found = values[None, :, None].to(clips.frames)
        return Attribution(found, target, signed=self.centred)

    def _mask(self, clips: Clips, clip: int, sample: int) -> Mask:
        """One mask of one clip; it depends on nothing but the seed, the name and its number."""
        generator = clip_generator(self.seed, f"{clips.names[clip]}/{sample}")
        kept = torch.rand(self.grid, generator=generator) < self.kept
        t, h, w = (
            _enlargement(count, size, generator)
            for count, size in zip(self.grid, clips.frames.shape[2:], strict=True)
        )
        smooth: Tensor = torch.tensordot(t, h @ kept.float() @ w.T, dims=1)
        return smooth.to(clips.frames.device)


def _enlargement(cells: int, size: int, generator: torch.Generator) -> Float[Tensor, "size cells"]:
    """An axis of cells made linearly one cell longer than needed, and cut at a random place.

    A product with these rows is quicker than to enlarge all and to cut then.
    """
    length = math.ceil(size / cells)
    first = int(torch.randint(length, (), generator=generator))
    rows: Tensor = F.interpolate(torch.eye(cells)[None], (cells + 1) * length, mode="linear")[0].T
    return rows[first : first + size]
