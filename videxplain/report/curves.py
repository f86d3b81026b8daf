"""Curves of a job: what its searches went through, and where in time its saliency lies."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from videxplain.types import Attribution
from videxplain.words import Polarity

_DIGITS = 4
"""Enough for a plot."""
Curves = Float[np.ndarray, "a n"]
KeptCurve = Mapping[str, Sequence[float | None]]
"""As a record has it: ``shares`` and ``values``, None where a score was none."""


@dataclass
class JobCurves:
    """Curves of some clips of a job, and their means.

    Attributes:
        areas: Of the masks, or None for a map.
        iterations: By the curve's name, each clip's against the iteration.
        shares: By the metric's name and the area, each clip's as its record has it.
        temporal: Each clip's shares of the frames in the saliency.
    """

    areas: Sequence[float | None] = ()
    iterations: dict[str, list[Curves]] = field(default_factory=lambda: defaultdict(list))
    shares: dict[tuple[str, float | None], list[KeptCurve]] = field(
        default_factory=lambda: defaultdict(list)
    )
    temporal: list[Curves] = field(default_factory=list)

    def add(
        self, attribution: Attribution, records: Sequence[Mapping[str, Any]], polarity: Polarity
    ) -> None:
        """Take those of one clip in.

        Args:
            attribution: Of this clip alone.
            records: Its own.
            polarity: How signed values become saliency.
        """
        self.areas = attribution.areas or (None,)
        for name, curve in attribution.curves.items():
            self.iterations[name].append(curve[:, 0].cpu().numpy())
        for record in records:
            for name, curve in record.get("curves", {}).items():
                self.shares[name, record["area"]].append(curve)
        frames = attribution.saliency(polarity)[:, 0].sum(dim=(2, 3)).cpu().numpy()
        self.temporal.append(frames / np.maximum(frames.sum(axis=1, keepdims=True), 1e-12))

    def means(self) -> Mapping[str, Any]:
        """Over the clips, as plain values; a search that has stopped stays where it was."""
        shares: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for (name, area), curves in self.shares.items():
            shares[name].append({"area": area, **_mean_share(curves)})
        return {
            "areas": list(self.areas),
            "iterations": {name: _plain(_mean(each)) for name, each in self.iterations.items()},
            "shares": dict(shares),
            "temporal": _plain(_mean(self.temporal)) if self.temporal else [],
        }


def mean_shares(
    curves: Sequence[KeptCurve],
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "clips n"]]:
    """Shares of the first clip, and the values of all clips there, NaN where a score was none."""
    known = ("shares", "values")
    read = [{key: np.array(each[key], np.float64) for key in known} for each in curves]  # None: NaN
    shares = read[0]["shares"]
    return shares, np.stack([np.interp(shares, each["shares"], each["values"]) for each in read])


def mean_known(values: Float[np.ndarray, "clips n"]) -> Float[np.ndarray, "n"]:
    """Over the clips that have a value; NaN where none has."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _mean_share(curves: Sequence[KeptCurve]) -> Mapping[str, Any]:
    shares, values = mean_shares(curves)
    return {"shares": _plain(shares), "values": _plain(mean_known(values))}


def _mean(curves: Sequence[Curves]) -> Curves:
    """Of clips whose searches stopped at different iterations."""
    longest = max(curve.shape[1] for curve in curves)
    padded = [
        np.pad(curve, ((0, 0), (0, longest - curve.shape[1])), constant_values=np.nan)
        for curve in curves
    ]
    mean: Curves = np.mean([_carried_on(curve) for curve in padded], axis=0)
    return mean


def _carried_on(curve: Curves) -> Curves:
    """With the last value that is known in place of those after it."""
    known = np.where(np.isnan(curve), 0, np.arange(curve.shape[1]))
    last = np.maximum.accumulate(known, axis=1)
    carried: Curves = np.take_along_axis(curve, last, axis=1)
    return carried


def _plain(values: Float[np.ndarray, "..."]) -> Any:  # noqa: ANN401
    found: Any = np.round(values.astype(np.float64), _DIGITS).tolist()
    return found
