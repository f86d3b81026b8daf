"""What the network says of a clip seen through its mask, and of what the mask leaves out."""

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from videxplain.filters import PYRAMIDS, perturb
from videxplain.scores import probability
from videxplain.types import Attribution, Classifier, Clips, Logits, Measure, Scores, Targets

Perturbation = Literal["blur", "fade"]
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class ProbabilityKept:
    """Probability of the target in the clip seen through the mask.

    Attributes:
        perturbation: What the rest turns into.
    """

    perturbation: Perturbation = "blur"

    name: ClassVar[str] = "probability_kept"
    higher_is_better: ClassVar[bool | None] = True

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:
        """Show each clip through each of its masks; NaN for a method without masks."""
        return _seen(classifier, clips, attribution, PYRAMIDS[self.perturbation], probability)


@dataclass(frozen=True, config=_STRICT)
class ProbabilityDeleted:
    """Probability of the target in the clip without the mask's part.

    Attributes:
        perturbation: What the mask's part turns into.
    """

    perturbation: Perturbation = "blur"

    name: ClassVar[str] = "probability_deleted"
    higher_is_better: ClassVar[bool | None] = False

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:
        """Show each clip through one minus its masks; NaN for a method without masks."""
        rest = replace(attribution, values=1 - attribution.values)
        return _seen(classifier, clips, rest, PYRAMIDS[self.perturbation], probability)


@dataclass(frozen=True, config=_STRICT)
class Preserved:
    """1 where the target is the network's first choice for the clip seen through the mask, else 0.

    Attributes:
        perturbation: What the rest turns into.
    """

    perturbation: Perturbation = "blur"

    name: ClassVar[str] = "preserved"
    higher_is_better: ClassVar[bool | None] = True

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:
        """Show each clip through each of its masks; NaN for a method without masks."""
        return _seen(classifier, clips, attribution, PYRAMIDS[self.perturbation], _is_first)


def _is_first(logits: Logits, target: Targets) -> Scores:
    return (logits.argmax(dim=1) == target).float()


@torch.no_grad()
def _seen(
    classifier: Classifier,
    clips: Clips,
    attribution: Attribution,
    pyramid_of: Callable[[torch.Tensor], torch.Tensor],
    score: Callable[[Logits, Targets], Scores],
) -> Measure:
    """Score the clips through their masks, one area at a time to bound the memory."""
    if attribution.areas is None:
        return attribution.values.new_full(attribution.values.shape[:2], float("nan"))
    pyramid = pyramid_of(clips.frames)
    masks = attribution.values[:, :, 0].to(clips.frames)
    logits = [classifier(perturb(pyramid, one[None])) for one in masks]
    return torch.stack([score(answers, attribution.target) for answers in logits])
