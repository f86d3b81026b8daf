"""What the network says of a clip seen through its mask, and of what the mask leaves out.

Fong, Patrick and Vedaldi, "Understanding deep networks via extremal perturbations and smooth
masks", ICCV 2019, https://arxiv.org/abs/1910.08485; average drop and increase: Chattopadhay et al.,
"Grad-CAM++: generalized gradient-based visual explanations for deep convolutional networks", WACV
2018, https://arxiv.org/abs/1710.11063.
"""

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass

from videxplain.chunks import logits_of
from videxplain.filters import PYRAMIDS, Masks, perturb, stretched
from videxplain.measures import Category, unknown
from videxplain.scores import is_first, probability
from videxplain.types import (
    Attribution,
    Classifier,
    Clips,
    Cost,
    Logits,
    Measure,
    Scores,
    Targets,
)
from videxplain.words import Polarity

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class _Seen:
    """What these metrics have in common.

    Attributes:
        perturbation: What the rest turns into.
        batch_size: Clips that the network sees at once.
    """

    perturbation: Literal["blur", "fade"] = "blur"
    batch_size: PositiveInt = 2

    category: ClassVar[Category] = "causal"
    citation: ClassVar[str] = "Fong et al., ICCV 2019"

    @property
    def cost(self) -> Cost:
        """One look through the mask."""
        return Cost(1, 0)

    def _through(
        self,
        classifier: Classifier,
        clips: Clips,
        masks: Masks,
        target: Targets,
        score: Callable[[Logits, Targets], Scores],
    ) -> Measure:
        """Score the clips through their masks, one area at a time to bound the memory."""
        pyramid = PYRAMIDS[self.perturbation](clips.frames)
        masks = masks.to(clips.frames)
        logits = [
            logits_of(classifier, perturb(pyramid, one[None]), self.batch_size) for one in masks
        ]
        return torch.stack([score(answers, target) for answers in logits])


@dataclass(frozen=True, config=_STRICT)
class _OfMasks(_Seen):
    """Those that a method without masks does not have: NaN."""

    _inverted: ClassVar[bool] = False

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:
        """Show each clip through each of its masks."""
        if attribution.areas is None:
            return unknown(attribution)
        masks = attribution.values[:, :, 0]
        masks = 1 - masks if self._inverted else masks
        return self._through(classifier, clips, masks, attribution.target, self._score)

    def _score(self, logits: Logits, target: Targets) -> Scores:
        return probability(logits, target)


@dataclass(frozen=True, config=_STRICT)
class ProbabilityKept(_OfMasks):
    """Probability of the target in the clip seen through the mask."""

    name: ClassVar[str] = "probability_kept"
    higher_is_better: ClassVar[bool | None] = True


@dataclass(frozen=True, config=_STRICT)
class ProbabilityDeleted(_OfMasks):
    """Probability of the target in the clip without the mask's part."""

    name: ClassVar[str] = "probability_deleted"
    higher_is_better: ClassVar[bool | None] = False
    _inverted: ClassVar[bool] = True


@dataclass(frozen=True, config=_STRICT)
class Preserved(_OfMasks):
    """1 where the target is the network's first choice for the clip seen through the mask."""

    name: ClassVar[str] = "preserved"
    higher_is_better: ClassVar[bool | None] = True

    def _score(self, logits: Logits, target: Targets) -> Scores:
        return is_first(logits, target)


@dataclass(frozen=True, config=_STRICT)
class _Average(_Seen):
    """Those that compare the whole clip with what its attribution shows of it.

    A mask is taken as it is; other saliency is stretched to 0 to 1, clip by clip.

    Attributes:
        polarity: How signed values become saliency.
        perturbation: What the rest turns into.
        batch_size: Clips that the network sees at once.
    """

    polarity: Polarity = "positive"

    citation: ClassVar[str] = "Chattopadhay et al., WACV 2018"

    @property
    def cost(self) -> Cost:
        """The whole clip, and one look through the map."""
        return Cost(2, 0)

    def _probabilities(
        self, classifier: Classifier, clips: Clips, attribution: Attribution
    ) -> tuple[Scores, Measure]:
        """Of the whole clips, and through their maps."""
        masks = attribution.saliency(self.polarity)
        if attribution.areas is None:
            masks = stretched(masks)
        target = attribution.target
        whole = probability(logits_of(classifier, clips.frames, self.batch_size), target)
        return whole, self._through(classifier, clips, masks, target, probability)


@dataclass(frozen=True, config=_STRICT)
class AverageDrop(_Average):
    """Share of the target's probability that is lost if only what is salient is shown."""

    name: ClassVar[str] = "average_drop"
    higher_is_better: ClassVar[bool | None] = False

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:
        """A rise counts as 0."""
        whole, shown = self._probabilities(classifier, clips, attribution)
        return (whole - shown).clamp_min(0) / whole


@dataclass(frozen=True, config=_STRICT)
class AverageIncrease(_Average):
    """1 where the target's probability rises if only what is salient is shown, else 0."""

    name: ClassVar[str] = "average_increase"
    higher_is_better: ClassVar[bool | None] = True

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:
        """Compare with the whole clip."""
        whole, shown = self._probabilities(classifier, clips, attribution)
        return (shown > whole).float()
