"""What the class loses when a box of space and time is covered.

Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014,
https://arxiv.org/abs/1311.2901
"""

import math
from itertools import product
from typing import ClassVar

import torch
from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass

from videxplain.baselines import Baseline
from videxplain.methods.masking import CellGrid, Mask, MaskedCopies
from videxplain.scores import ScoreName
from videxplain.types import Attribution, Classifier, Clips, Cost, Targets

Box = tuple[slice, ...]
"""Frames, rows and columns."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Occlusion:
    r"""The drop of the target's score while a sliding box covers a part of the clip.

    .. math:: \frac{1}{|B(v)|} \sum_{b \in B(v)} S(x) - S(x_b)

    for the voxel v, where B(v) are the boxes that hold v and :math:`x_b` is the clip with the
    baseline in the box b. A box spans ``size / grid`` of each axis, and slides from the beginning
    in strides of ``box / strides``, both rounded up; the last box may end beyond the clip.

    Attributes:
        grid: Boxes that lie side by side along time, height and width.
        strides: In how many a box moves by its own size: 1 where boxes do not overlap.
        baseline: What covers: ``black``, ``blur``, ``mean`` or ``zero``.
        score: ``logit``, ``probability`` or ``log_probability`` of the target.
        batch_size: Covered clips that the network sees at once.
    """

    grid: CellGrid = (4, 5, 5)
    strides: PositiveInt = 2
    baseline: Baseline = "zero"
    score: ScoreName = "logit"
    batch_size: PositiveInt = 2

    signed: ClassVar[bool] = True
    complete: ClassVar[bool] = False
    deterministic: ClassVar[bool] = True
    citation: ClassVar[str] = "Zeiler and Fergus, ECCV 2014, arXiv 1311.2901"

    @property
    def cost(self) -> Cost:
        """One forward pass for the clip and one a box; rounding makes boxes fewer, never more."""
        return Cost(1 + math.prod((cells - 1) * self.strides + 1 for cells in self.grid), 0)

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:
        """Attribute the score of ``target`` to the pixels of ``clips``."""
        whole = clips.frames.new_ones(clips.frames.shape[2:])
        boxes = self._boxes(*whole.shape)

        def mask(_clip: int, copy: int) -> Mask:
            if copy == len(boxes):
                return whole
            covered = whole.clone()
            covered[boxes[copy]] = 0
            return covered

        copies = MaskedCopies(len(boxes) + 1, mask, self.baseline, self.batch_size)
        scores = copies.scores(classifier, clips, target, self.score)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        drops = scores[:, -1:] - scores[:, :-1]
        total = drops.new_zeros(len(clips), *whole.shape)
        counts = drops.new_zeros(whole.shape)
        for index, box in enumerate(boxes):
            total[:, *box] += drops[:, index, None, None, None]
            counts[box] += 1
        return Attribution((total / counts)[None, :, None].to(clips.frames), target)

    def _boxes(self, *sizes: int) -> list[Box]:
        """Every place of the box, in a clip of these sizes."""
        axes = []
        for size, cells in zip(sizes, self.grid, strict=True):
            side = math.ceil(size / cells)
            stride = math.ceil(side / self.strides)
            starts = range(0, math.ceil((size - side) / stride) * stride + 1, stride)
            axes.append([slice(start, start + side) for start in starts])
        return list(product(*axes))
