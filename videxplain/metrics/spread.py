"""How an attribution is spread over space and time, whatever the network makes of it.

All are NaN where nothing is attributed.
"""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from videxplain.devices import in_float64
from videxplain.measures import NOTHING, Category
from videxplain.types import Attribution, Classifier, Clips, Cost, Measure, Saliency
from videxplain.words import Polarity

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class _Spread(ABC):
    """What these metrics have in common.

    Attributes:
        polarity: How signed values become saliency.
    """

    polarity: Polarity = "positive"

    higher_is_better: ClassVar[bool | None] = None
    category: ClassVar[Category] = "spread"
    citation: ClassVar[str] = "videxplain"

    @property
    def cost(self) -> Cost:
        """The network is not asked."""
        return NOTHING

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:  # noqa: ARG002
        """Describe each map."""
        return self.describe(attribution.saliency(self.polarity))

    @abstractmethod
    def describe(self, saliency: Saliency) -> Measure:
        """Of each clip and area."""


@dataclass(frozen=True, config=_STRICT)
class Gini(_Spread):
    """Sparseness: 0 if all voxels are equal, near 1 if a single one has everything.

    Hurley and Rickard, "Comparing measures of sparsity", IEEE Trans. Inf. Theory 2009.
    """

    citation: ClassVar[str] = "Hurley and Rickard, IEEE Trans. Inf. Theory 2009"
    name: ClassVar[str] = "gini"

    def describe(self, saliency: Saliency) -> Measure:
        """Rank the voxels of each clip and area."""
        values = in_float64(saliency.flatten(2)).sort(dim=-1).values
        count = values.shape[-1]
        weights = (count - torch.arange(count, device=values.device) - 0.5) / count
        return (1 - 2 * (values * weights).sum(dim=-1) / values.sum(dim=-1)).to(saliency)


@dataclass(frozen=True, config=_STRICT)
class Entropy(_Spread):
    """Of the saliency as a distribution over voxels: 1 if they are equal, 0 for a single one.

    Bhatt et al., "Evaluating and aggregating feature-based model explanations", IJCAI 2020, in
    shares of the most that it can be.
    """

    citation: ClassVar[str] = "Bhatt et al., IJCAI 2020"
    name: ClassVar[str] = "entropy"

    def describe(self, saliency: Saliency) -> Measure:
        """Over space and time."""
        values = in_float64(saliency.flatten(2))
        shares = values / values.sum(dim=-1, keepdim=True)
        entropy: Measure = torch.special.entr(shares).sum(dim=-1)
        return (entropy / math.log(values.shape[-1])).to(saliency)


@dataclass(frozen=True, config=_STRICT)
class TemporalSpread(_Spread):
    r"""Frames that share the saliency, of all: 1 if they are equal, ``1/t`` for a single one.

    With :math:`s_t` that of a frame, :math:`(\sum_t s_t)^2 / (T \sum_t s_t^2)`.
    """

    name: ClassVar[str] = "temporal_spread"

    def describe(self, saliency: Saliency) -> Measure:
        """Compare the frames' mean saliency."""
        frames = saliency.mean(dim=(3, 4))
        return frames.sum(dim=-1) ** 2 / (frames.shape[-1] * (frames**2).sum(dim=-1))


@dataclass(frozen=True, config=_STRICT)
class SpatialSmoothness(_Spread):
    r"""How alike neighbours in a frame are: 1 if all are equal, 0 for pixels that stand alone.

    Over the pairs of neighbours, :math:`1 - \sum |v - w| / \sum (v + w)`.
    """

    name: ClassVar[str] = "spatial_smoothness"

    def describe(self, saliency: Saliency) -> Measure:
        """Along rows and columns."""
        return _smoothness(saliency, (3, 4))


@dataclass(frozen=True, config=_STRICT)
class TemporalSmoothness(_Spread):
    r"""How alike a pixel and itself in the next frame are: 1 if all are equal, 0 if each is alone.

    Over the pairs of neighbours in time, :math:`1 - \sum |v - w| / \sum (v + w)`; NaN for a clip of
    one frame.
    """

    name: ClassVar[str] = "temporal_smoothness"

    def describe(self, saliency: Saliency) -> Measure:
        """Along time."""
        return _smoothness(saliency, (2,))


def _smoothness(saliency: Saliency, axes: tuple[int, ...]) -> Measure:
    apart, together = saliency.new_zeros(()), saliency.new_zeros(())
    for axis in axes:
        length = saliency.shape[axis]
        before, after = saliency.narrow(axis, 0, length - 1), saliency.narrow(axis, 1, length - 1)
        apart = apart + (after - before).abs().flatten(2).sum(dim=-1)
        together = together + (after + before).flatten(2).sum(dim=-1)
    return 1 - apart / together
