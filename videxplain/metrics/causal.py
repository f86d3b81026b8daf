"""What the network says of a clip seen through its mask, and of what the mask leaves out."""

from dataclasses import replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor

from videxplain.filters import PYRAMIDS, Masks, perturb
from videxplain.scores import probability
from videxplain.types import Attribution, Classifier, Clips, Measure

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
        if attribution.areas is None:
            return _not_a_mask(attribution)
        masks = attribution.values[:, :, 0].to(clips.frames)
        logits = _shown(classifier, clips, masks, self.perturbation)
        return torch.stack([probability(answers, attribution.target) for answers in logits])


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
        if attribution.areas is None:
            return _not_a_mask(attribution)
        rest = replace(attribution, values=1 - attribution.values)
        return ProbabilityKept(self.perturbation)(classifier, clips, rest)


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
        if attribution.areas is None:
            return _not_a_mask(attribution)
        masks = attribution.values[:, :, 0].to(clips.frames)
        logits = _shown(classifier, clips, masks, self.perturbation)
        return (logits.argmax(dim=-1) == attribution.target).float()


def _not_a_mask(attribution: Attribution) -> Measure:
    return torch.full(attribution.values.shape[:2], float("nan"), device=attribution.values.device)


@torch.no_grad()
def _shown(
    classifier: Classifier, clips: Clips, masks: Masks, perturbation: Perturbation
) -> Float[Tensor, "a b k"]:
    """Logits of the clips through their masks, one area at a time to bound the memory."""
    pyramid = PYRAMIDS[perturbation](clips.frames)
    return torch.stack([classifier(perturb(pyramid, one[None])) for one in masks])
