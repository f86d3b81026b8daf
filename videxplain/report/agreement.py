"""How far methods, and models, agree on the same clips; from saved attributions."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from videxplain.filters import top_share
from videxplain.metrics.similarity import (
    Sets,
    correlation,
    intersection_over_union,
    ranks,
)
from videxplain.report.finished import Finished
from videxplain.sinks.disk import load_attribution
from videxplain.words import Polarity

_NAMES = ("between", "setting", "model", "method", "other_model", "other_method")
_SCHEMA = {
    **dict.fromkeys(_NAMES, pl.String),
    "area": pl.Float64,
    "clips": pl.Int64,
    "rank_correlation": pl.Float64,
    "overlap": pl.Float64,
}
Size = tuple[int, int, int]
"""Frames, rows and columns."""
Map = Float[Tensor, "t h w"]
_Question = tuple[str, str]
"""A clip, and the class explained."""


@dataclass(frozen=True)
class _Explained:
    """A saved attribution of a clip, and whose it is."""

    setting: str
    model: str
    method: str
    path: Path
    polarity: Polarity

    @property
    def name(self) -> tuple[str, str]:
        """Of its job, within the setting."""
        return self.model, self.method


@dataclass(frozen=True)
class _Clip:
    """All explanations of a clip; what takes longest, ranks and sets, once for all pairs.

    Attributes:
        maps: Of each, the mask of every area that it has, or its one map, of no area.
        ranked: Ranks of the voxels.
        chosen: Where the most salient ones are, for an area.
    """

    maps: Mapping[_Explained, Mapping[float | None, Map]]
    ranked: dict[tuple[_Explained, float | None, Size], Sets]
    chosen: dict[tuple[_Explained, float, Size], Sets]

    @classmethod
    def of(cls, explained: Sequence[_Explained]) -> "_Clip":
        """Read them all."""
        return cls({each: _maps(each) for each in explained}, {}, {})

    def alike(self, one: _Explained, other: _Explained, area: float) -> tuple[float, float] | None:
        """Rank correlation and overlap; None where one has no mask of this area."""
        found = [(each, self._of_area(each, area)) for each in (one, other)]
        if any(mask not in self.maps[each] for each, mask in found):
            return None
        size = _smaller(*(self.maps[each][mask] for each, mask in found))
        ranked = [self._ranked(each, mask, size) for each, mask in found]
        chosen = [self._chosen(each, area, size) for each in (one, other)]
        return correlation(*ranked).item(), intersection_over_union(*chosen).item()

    def _of_area(self, each: _Explained, area: float) -> float | None:
        return None if None in self.maps[each] else area

    def _ranked(self, each: _Explained, mask: float | None, size: Size) -> Sets:
        key = (each, mask, size)
        if key not in self.ranked:
            self.ranked[key] = ranks(_pooled(self.maps[each][mask], size)).float()
        return self.ranked[key]

    def _chosen(self, each: _Explained, area: float, size: Size) -> Sets:
        key = (each, area, size)
        if key not in self.chosen:
            values = self.maps[each][self._of_area(each, area)]
            self.chosen[key] = top_share(_pooled(values, size), area)
        return self.chosen[key]


def agreement(jobs: Sequence[Finished], areas: Sequence[float]) -> pl.DataFrame:
    """Compare each two methods on one model, and each two models under one method.

    Args:
        jobs: Finished ones.
        areas: Share of the clip in which the most salient voxels are compared; where a method has a
            mask for it, that one counts, else its map.

    Returns:
        Columns between (methods or models), setting, model, method, other_model, other_method,
        area, clips, rank_correlation (Spearman's, over all voxels), overlap (intersection over
        union of the most salient ones); means over the clips that both explain for the same class.
        Maps of different sizes are brought to the smaller one.
    """
    found: dict[tuple[str, ...], dict[_Question, tuple[float, float]]] = defaultdict(dict)
    for asked, explained in _by_clip(jobs).items():
        clip = _Clip.of(explained)
        for one, other in combinations(explained, 2):
            between = _between(one, other)
            if between is None:
                continue
            names = (between, one.setting, one.model, one.method, other.model, other.method)
            for area in areas:
                alike = clip.alike(one, other, area)
                if alike is not None:  # jobs of one name, which measure other things, agree alike
                    found[*names, str(area)].setdefault(asked, alike)
    rows = [_row(key, list(pairs.values())) for key, pairs in found.items()]
    return pl.DataFrame(rows, _SCHEMA)


def _row(key: Sequence[str], pairs: Sequence[tuple[float, float]]) -> Mapping[str, Any]:
    correlations, common = np.array(pairs).T
    known = correlations[~np.isnan(correlations)]
    return {
        **dict(zip(_NAMES, key, strict=False)),
        "area": float(key[-1]),
        "clips": len(pairs),
        "rank_correlation": float(known.mean()) if len(known) else None,
        "overlap": float(common.mean()),
    }


def _by_clip(jobs: Sequence[Finished]) -> Mapping[_Question, list[_Explained]]:
    """Under a clip and the class explained, all that explain it, jobs of one name in a row."""
    clips: dict[_Question, list[_Explained]] = defaultdict(list)
    names = [job.names for job in jobs]
    for job in sorted(jobs, key=lambda job: names.index(job.names)):
        targets = {record["clip"]: record["target"] for record in job.records}
        for clip, target in targets.items():
            path = job.attribution(clip)
            clips[clip, target].append(
                _Explained(job.setting, job.model, job.method, path, job.polarity)
            )
    return clips


def _between(one: _Explained, other: _Explained) -> str | None:
    if one.setting != other.setting or one.name == other.name:
        return None
    if one.model == other.model:
        return "methods"
    return "models" if one.method == other.method else None


def _maps(explained: _Explained) -> Mapping[float | None, Map]:
    attribution = load_attribution(explained.path)
    saliency = attribution.saliency(explained.polarity)[:, 0].float()
    return dict(zip(attribution.areas or (None,), saliency, strict=True))


def _smaller(one: Float[Tensor, "..."], other: Float[Tensor, "..."]) -> Size:
    t, h, w = (min(sides) for sides in zip(one.shape, other.shape, strict=True))
    return t, h, w


def _pooled(values: Map, size: Size) -> Sets:
    return functional.adaptive_avg_pool3d(values[None], size).flatten()
