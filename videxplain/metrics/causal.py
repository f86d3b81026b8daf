"""What the network says of a clip seen through its mask, and of what the mask leaves out."""

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Literal, Protocol, runtime_checkable

import torch
from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass

from videxplain.chunks import logits_of
from videxplain.filters import PYRAMIDS, perturb
from videxplain.scores import probability
from videxplain.types import Attribution, Classifier, Clips, Logits, Measure, Scores, Targets

Perturbation = Literal["blur", "fade"]
_STRICT = ConfigDict(extra="forbid")


@runtime_checkable
class _How(Protocol):
    """What these metrics have in common."""

    @property
    def perturbation(self) -> Perturbation:
        """What the rest turns into."""
        ...

    @property
    def batch_size(self) -> int:
        """Clips that the network sees at once."""
        ...


@dataclass(frozen=True, config=_STRICT)
class ProbabilityKept:
    """Probability of the target in the clip seen through the mask.

    Attributes:
        perturbation: What the rest turns into.
        batch_size: Clips that the network sees at once.
    """

    perturbation: Perturbation = "blur"
    batch_size: PositiveInt = 2

    name: ClassVar[str] = "probability_kept"
    higher_is_better: ClassVar[bool | None] = True

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:
        """Show each clip through each of its masks; NaN for a method without masks."""
        return _seen(classifier, clips, attribution, probability, self)


@dataclass(frozen=True, config=_STRICT)
class ProbabilityDeleted:
    """Probability of the target in the clip without the mask's part.

    Attributes:
        perturbation: What the mask's part turns into.
        batch_size: Clips that the network sees at once.
    """

    perturbation: Perturbation = "blur"
    batch_size: PositiveInt = 2

    name: ClassVar[str] = "probability_deleted"
    higher_is_better: ClassVar[bool | None] = False

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:
        """Show each clip through one minus its masks; NaN for a method without masks."""
        rest = replace(attribution, values=1 - attribution.values)
        return _seen(classifier, clips, rest, probability, self)


@dataclass(frozen=True, config=_STRICT)
class Preserved:
    """1 where the target is the network's first choice for the clip seen through the mask, else 0.

    Attributes:
        perturbation: What the rest turns into.
        batch_size: Clips that the network sees at once.
    """

    perturbation: Perturbation = "blur"
    batch_size: PositiveInt = 2

    name: ClassVar[str] = "preserved"
    higher_is_better: ClassVar[bool | None] = True

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:
        """Show each clip through each of its masks; NaN for a method without masks."""
        return _seen(classifier, clips, attribution, _is_first, self)


def _is_first(logits: Logits, target: Targets) -> Scores:
    return (logits.argmax(dim=1) == target).float()


def _seen(
    classifier: Classifier,
    clips: Clips,
    attribution: Attribution,
    score: Callable[[Logits, Targets], Scores],
    how: _How,
) -> Measure:
    """Score the clips through their masks, one area at a time to bound the memory."""
    if attribution.areas is None:
        return attribution.values.new_full(attribution.values.shape[:2], float("nan"))
    pyramid = PYRAMIDS[how.perturbation](clips.frames)
    masks = attribution.values[:, :, 0].to(clips.frames)
    logits = [logits_of(classifier, perturb(pyramid, one[None]), how.batch_size) for one in masks]
    return torch.stack([score(answers, attribution.target) for answers in logits])
