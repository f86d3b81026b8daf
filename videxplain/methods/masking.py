"""Ask the network about copies of the clips that masks have hidden a part of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from tqdm import tqdm

from videxplain.baselines import Baseline, make_baseline
from videxplain.chunks import Chunks, accelerated
from videxplain.scores import SCORES, ScoreName
from videxplain.types import Classifier, Clips, Targets

Mask = Float[Tensor, "t h w"]
"""1 keeps, 0 shows the baseline."""

_Cells = Annotated[int, Field(gt=0, le=256)]
CellGrid = tuple[_Cells, _Cells, _Cells]
"""Cells along time, height and width; more than clips have frames, or rows under their mask."""


@dataclass(frozen=True)
class MaskedCopies:
    """Copies of clips, each seen through a mask of its own.

    Attributes:
        count: Copies of each clip.
        mask: Gives the mask of a clip and a copy, by their indices; asked for when it is needed, so
            that no more masks are kept than the network sees at once.
        baseline: What is seen where the mask is 0.
        batch_size: Copies that the network sees at once.
    """

    count: int
    mask: Callable[[int, int], Mask]
    baseline: Baseline
    batch_size: int

    def scores(
        self, classifier: Classifier, clips: Clips, target: Targets, score: ScoreName
    ) -> Float[Tensor, "b copies"]:
        """The target's score of every copy.

        Args:
            classifier: The network.
            clips: What is copied.
            target: The class of each clip.
            score: ``logit``, ``probability`` or ``log_probability``.
        """
        frames, start = clips.frames, make_baseline(self.baseline, classifier, clips.frames)
        network, total = accelerated(classifier), len(clips) * self.count
        found = frames.new_empty(total)

        def run(part: slice) -> None:
            copies = [divmod(copy, self.count) for copy in range(part.start, part.stop)]
            own = [clip for clip, _ in copies]
            masks = torch.stack([self.mask(*copy) for copy in copies])[:, None].to(frames)
            with torch.no_grad():
                logits = network(torch.lerp(start[own], frames[own], masks))
            found[part] = SCORES[score](logits, target[own])
            bar.update(len(copies))

        with tqdm(total=total, unit="copy", leave=False, disable=None) as bar:
            Chunks(self.batch_size)(total, run)
        return found.reshape(len(clips), self.count)
