"""Whether an explanation depends on what it should: the class, the motion, chance, noise.

Each check asks the method again and gives Spearman's rank correlation with what it said at first.
"""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar

import torch
from jaxtyping import Int
from pydantic import ConfigDict, PositiveFloat
from pydantic.dataclasses import dataclass
from torch import Tensor

from videxplain.measures import NOTHING, Category, unknown
from videxplain.metrics.similarity import rank_correlation
from videxplain.seeding import clip_generator
from videxplain.types import Attribution, Classifier, Clips, Cost, Explainer, Measure
from videxplain.words import Polarity

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class SanityCheck(ABC):
    """What these checks have in common.

    Attributes:
        polarity: How signed values become saliency.
    """

    polarity: Polarity = "positive"

    category: ClassVar[Category] = "sanity"

    @property
    def cost(self) -> Cost:
        """What the method itself takes, `explanations` times."""
        return NOTHING

    @property
    def explanations(self) -> int:
        """How many times the method runs."""
        return 1

    @abstractmethod
    def __call__(
        self, classifier: Classifier, explainer: Explainer, clips: Clips, attribution: Attribution
    ) -> Measure:
        """Compare with what the method says under other circumstances."""

    def alike(self, one: Attribution, other: Attribution) -> Measure:
        """Rank correlation over space and time; NaN where one of them is flat."""
        first, second = (each.saliency(self.polarity).flatten(2) for each in (one, other))
        return rank_correlation(first, second)


@dataclass(frozen=True, config=_STRICT)
class LabelRandomisation(SanityCheck):
    """Likeness to the explanation of another class, drawn for each clip.

    A method that shows the same for every class does not explain this one. Sixt, Granz and
    Landgraf, "When explanations lie: why many modified BP attributions fail", ICML 2020,
    https://arxiv.org/abs/1912.09818.

    Attributes:
        polarity: How signed values become saliency.
        seed: Together with a clip's name it fixes the class.
    """

    seed: int = 0

    name: ClassVar[str] = "label_randomisation"
    higher_is_better: ClassVar[bool | None] = False
    citation: ClassVar[str] = "Sixt et al., ICML 2020"

    def __call__(
        self, classifier: Classifier, explainer: Explainer, clips: Clips, attribution: Attribution
    ) -> Measure:
        """NaN for a network of one class."""
        classes = len(classifier.class_names)
        if classes == 1:
            return unknown(attribution)
        drawn = [
            torch.randint(1, classes, (), generator=clip_generator(self.seed, name))
            for name in clips.names
        ]
        other = (attribution.target + torch.stack(drawn).to(attribution.target)) % classes
        return self.alike(attribution, explainer(classifier, clips, other))


@dataclass(frozen=True, config=_STRICT)
class _Frames(SanityCheck):
    """Those that show the frames in another order."""

    higher_is_better: ClassVar[bool | None] = None
    citation: ClassVar[str] = "videxplain"

    def __call__(
        self, classifier: Classifier, explainer: Explainer, clips: Clips, attribution: Attribution
    ) -> Measure:
        """Compare each picture's saliency, wherever in time it now is."""
        order = self._order(clips)
        index = order[:, None, :, None, None]
        shown = clips.frames.gather(2, index.expand_as(clips.frames))
        again = explainer(classifier, replace(clips, frames=shown), attribution.target)
        places = order[None, :, None, :, None, None].expand_as(attribution.values)
        moved = replace(attribution, values=attribution.values.gather(3, places))
        return self.alike(moved, again)

    @abstractmethod
    def _order(self, clips: Clips) -> Int[Tensor, "b t"]:
        """Which frame stands at each place."""


@dataclass(frozen=True, config=_STRICT)
class FrameShuffle(_Frames):
    """Likeness to the explanation of the same pictures in a drawn order, picture by picture.

    Near 1, the explanation does not depend on motion.

    Attributes:
        polarity: How signed values become saliency.
        seed: Together with a clip's name it fixes the order.
    """

    seed: int = 0

    name: ClassVar[str] = "frame_shuffle"

    def _order(self, clips: Clips) -> Int[Tensor, "b t"]:
        length = clips.frames.shape[2]
        drawn = [
            torch.randperm(length, generator=clip_generator(self.seed, name))
            for name in clips.names
        ]
        return torch.stack(drawn).to(clips.frames.device)


@dataclass(frozen=True, config=_STRICT)
class FrameReverse(_Frames):
    """Likeness to the explanation of the clip played backwards, picture by picture.

    Near 1, the explanation does not depend on the direction of motion.
    """

    name: ClassVar[str] = "frame_reverse"

    def _order(self, clips: Clips) -> Int[Tensor, "b t"]:
        length = clips.frames.shape[2]
        backwards = torch.arange(length - 1, -1, -1, device=clips.frames.device)
        return backwards.expand(len(clips), length)


@dataclass(frozen=True, config=_STRICT)
class FrameFreeze(_Frames):
    """Likeness to the explanation of a clip whose middle picture stands still, which has no motion.

    Each frame is compared with the middle one of the clip as it was.
    """

    name: ClassVar[str] = "frame_freeze"

    def _order(self, clips: Clips) -> Int[Tensor, "b t"]:
        length = clips.frames.shape[2]
        return clips.frames.new_full((len(clips), length), length // 2, dtype=torch.long)


@dataclass(frozen=True, config=_STRICT)
class SeedStability(SanityCheck):
    """Likeness to the explanation with another seed; 1 for a method without chance."""

    name: ClassVar[str] = "seed_stability"
    higher_is_better: ClassVar[bool | None] = True
    citation: ClassVar[str] = "videxplain"

    def __call__(
        self, classifier: Classifier, explainer: Explainer, clips: Clips, attribution: Attribution
    ) -> Measure:
        """The method's next seed."""
        if explainer.deterministic:
            return attribution.values.new_ones(attribution.values.shape[:2])
        reseeded: Explainer = replace(explainer, seed=explainer.seed + 1)  # type: ignore[type-var,attr-defined]
        return self.alike(attribution, reseeded(classifier, clips, attribution.target))


@dataclass(frozen=True, config=_STRICT)
class NoiseStability(SanityCheck):
    """Likeness to the explanation of the clip with a little noise.

    Alvarez-Melis and Jaakkola, "On the robustness of interpretability methods", ICML workshop on
    human interpretability 2018, https://arxiv.org/abs/1806.08049.

    Attributes:
        spread: Standard deviation of the noise, as a share of the range of the clip's values.
        polarity: How signed values become saliency.
        seed: Together with a clip's name it fixes the noise.
    """

    spread: PositiveFloat = 0.02
    seed: int = 0

    name: ClassVar[str] = "noise_stability"
    higher_is_better: ClassVar[bool | None] = True
    citation: ClassVar[str] = "Alvarez-Melis and Jaakkola, ICML workshop 2018"

    def __call__(
        self, classifier: Classifier, explainer: Explainer, clips: Clips, attribution: Attribution
    ) -> Measure:
        """The same class, once more."""
        frames = clips.frames
        noise = [
            torch.randn(frames.shape[1:], generator=clip_generator(self.seed, name))
            for name in clips.names
        ]
        low, high = (
            frames.amin(dim=(1, 2, 3, 4), keepdim=True),
            frames.amax(dim=(1, 2, 3, 4), keepdim=True),
        )
        noisy = frames + self.spread * (high - low) * torch.stack(noise).to(frames)
        again = explainer(classifier, replace(clips, frames=noisy), attribution.target)
        return self.alike(attribution, again)
