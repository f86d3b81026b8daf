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

from videxplain.metrics.similarity import (
    Sets,
    correlation,
    intersection_over_union,
    most,
    ranks,
)
from videxplain.report.finished import Finished
from videxplain.sinks.disk import load
from videxplain.types import Polarity

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


@dataclass(frozen=True)
class _Explained:
    """A clip, explained by a job."""

    setting: str
    model: str
    method: str
    path: Path
    polarity: Polarity


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
    found: dict[tuple[str, ...], list[tuple[float, float]]] = defaultdict(list)
    for explained in _by_clip(jobs).values():
        maps = {each: _maps(each, areas) for each in explained}
        prepared: dict[tuple[_Explained, float, Size], tuple[Sets, Sets]] = {}
        for one, other in combinations(explained, 2):
            between = _between(one, other)
            if between is None:
                continue
            for area in (each for each in areas if each in maps[one] and each in maps[other]):
                both = maps[one][area], maps[other][area]
                size = _smaller(*both)
                for each, values in zip((one, other), both, strict=True):
                    if (each, area, size) not in prepared:  # ranks take longer than comparing them
                        prepared[each, area, size] = _prepare(values, size, area)
                first, second = prepared[one, area, size], prepared[other, area, size]
                key = (
                    between,
                    one.setting,
                    one.model,
                    one.method,
                    other.model,
                    other.method,
                    str(area),
                )
                alike = (
                    correlation(first[0], second[0]),
                    intersection_over_union(first[1], second[1]),
                )
                found[key].append((alike[0].item(), alike[1].item()))
    rows = [_row(key, pairs) for key, pairs in found.items()]
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


def _by_clip(jobs: Sequence[Finished]) -> Mapping[tuple[str, str], list[_Explained]]:
    """Under a clip and the class explained, all that explain it."""
    clips: dict[tuple[str, str], list[_Explained]] = defaultdict(list)
    for job in jobs:
        targets = {record["clip"]: record["target"] for record in job.records}
        for clip, target in targets.items():
            path = job.attribution(clip)
            clips[clip, target].append(
                _Explained(job.setting, job.model, job.method, path, job.polarity)
            )
    return clips


def _between(one: _Explained, other: _Explained) -> str | None:
    if one.setting != other.setting:
        return None
    if one.model == other.model:
        return "methods"
    return "models" if one.method == other.method else None


def _maps(explained: _Explained, areas: Sequence[float]) -> Mapping[float, Float[Tensor, "t h w"]]:
    """The mask of each area that it has, or the one map for all areas."""
    attribution = load(explained.path)
    saliency = attribution.saliency(explained.polarity)[:, 0].float()
    if attribution.areas is None:
        return dict.fromkeys(areas, saliency[0])
    return dict(zip(attribution.areas, saliency, strict=True))


def _smaller(one: Float[Tensor, "..."], other: Float[Tensor, "..."]) -> Size:
    t, h, w = (min(sides) for sides in zip(one.shape, other.shape, strict=True))
    return t, h, w


def _prepare(values: Float[Tensor, "t h w"], size: Size, area: float) -> tuple[Sets, Sets]:
    """Ranks of the voxels, and where the most salient ones are."""
    voxels = functional.adaptive_avg_pool3d(values[None], size).flatten()
    return ranks(voxels).float(), most(voxels, area)
