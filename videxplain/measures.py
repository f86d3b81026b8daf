"""What a metric is: a number for each area and clip, where it comes from, and what it costs."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from videxplain.types import Attribution, Classifier, Clips, Cost, Explainer, Measure

Category = Literal["causal", "ground truth", "mask", "axiom", "sanity", "spread"]
"""Does the network react as claimed; is the known evidence found; what is the mask like; are values
what they are by definition; does the explanation depend on what it should; how is it spread."""
NOTHING = Cost(0, 0)
"""What a metric costs that does not ask the network."""
AT_REST_FOR = 20
"""Iterations in which a mask at rest has not moved."""


@dataclass(frozen=True)
class Curve:
    """A measure that changes on the way from 0 to 1.

    Attributes:
        shares: Places on the way, ascending from 0 to 1: the same ``n`` for all, or ``a b n``.
        values: What is measured there.
    """

    shares: Float[Tensor, "*rows n"]
    values: Float[Tensor, "a b n"]

    def area(self) -> Measure:
        """Area under the curve, by trapezoids."""
        return torch.trapezoid(self.values, self.shares, dim=-1)

    def of(self, area: int, clip: int) -> Mapping[str, list[float]]:
        """One clip's at one area, as plain numbers."""
        shares = self.shares.expand_as(self.values)
        return {"shares": shares[area, clip].tolist(), "values": self.values[area, clip].tolist()}


class _Declared(Protocol):
    """What every metric says of itself.

    Attributes:
        name: Column of the results.
        higher_is_better: None for a description that is neither good nor bad.
        category: What kind of question it answers.
        citation: Who published it, where.
    """

    name: ClassVar[str]
    higher_is_better: ClassVar[bool | None]
    category: ClassVar[Category]
    citation: ClassVar[str]

    @property
    def cost(self) -> Cost:
        """Passes through the network for one clip at one area."""
        ...


@runtime_checkable
class Metric(_Declared, Protocol):
    """A number per area and clip that says something about an attribution."""

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:
        """Measure each attribution of the batch; NaN where the metric does not apply."""
        ...


@runtime_checkable
class Curved(Metric, Protocol):
    """A metric that is the area under a curve."""

    def curve(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Curve:
        """The whole curve."""
        ...


@runtime_checkable
class Ranking(Protocol):
    """A metric of the order of all voxels, which masks of zeros and ones do not have."""

    ranks: ClassVar[Literal[True]]


@runtime_checkable
class Check(_Declared, Protocol):
    """A number that needs the method again: on other weights, frames, classes or seeds."""

    @property
    def explanations(self) -> int:
        """How many times the method runs."""
        ...

    def __call__(
        self, classifier: Classifier, explainer: Explainer, clips: Clips, attribution: Attribution
    ) -> Measure:
        """Compare with what the method says there; NaN where the check does not apply."""
        ...


def unknown(attribution: Attribution) -> Measure:
    """NaN for every area and clip: what a metric says where it does not apply."""
    return attribution.values.new_full(attribution.values.shape[:2], float("nan"))


def declared(metric: Metric | Check) -> Mapping[str, object]:
    """What a table needs to know of a metric; it says itself what it is, in its first line."""
    told, name = inspect.getdoc(type(metric)) or "", type(metric).__name__
    own = "" if told.startswith(f"{name}(") else told  # a dataclass without one has its signature
    return {
        "says": " ".join(own.partition("\n\n")[0].split()).replace("`", ""),
        "higher_is_better": metric.higher_is_better,
        "category": metric.category,
        "citation": metric.citation,
    }
