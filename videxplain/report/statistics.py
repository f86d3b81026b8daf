"""What many clips say together, and how far it can be trusted."""

import numpy as np
import polars as pl
from jaxtyping import Float
from scipy import stats

Values = Float[np.ndarray, "n"]
LEVEL = 0.95
"""Confidence of the intervals."""
_RESAMPLES = 2000


def interval(values: Values) -> tuple[float, float]:
    """Where the mean lies with 95 % confidence: percentile bootstrap over clips.

    Args:
        values: One a clip, without NaN.

    Returns:
        The lower and upper end; NaN for fewer than two clips.
    """
    if len(values) < 2:  # noqa: PLR2004  # one clip says nothing of others
        return float("nan"), float("nan")
    found = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=_RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)


def wins(value: pl.Expr, random: pl.Expr) -> pl.Expr:
    """1 where a value is larger than that of random, one half where they are equal, else 0."""
    return (value > random).cast(pl.Float64) + (value == random).cast(pl.Float64) / 2


def consistency(scores: Float[np.ndarray, "clips methods"]) -> float:
    """How alike clips rank the methods: mean Spearman correlation of all pairs of clips.

    1 if every clip gives the same order, near 0 if the order is chance: Tomsett et al., "Sanity
    checks for saliency metrics", AAAI 2020 (inter-rater reliability).

    Args:
        scores: Without NaN; a clip for which all methods are equal does not count.

    Returns:
        NaN for fewer than two clips or methods.
    """
    varied = scores[(scores != scores[:, :1]).any(axis=1)] if scores.size else scores
    if min(scores.shape) < 2 or len(varied) < 2:  # noqa: PLR2004  # nothing to compare
        return float("nan")
    ranks = stats.rankdata(varied, axis=1)
    ranks = ranks - ranks.mean(axis=1, keepdims=True)
    ranks = ranks / np.sqrt((ranks**2).sum(axis=1, keepdims=True))
    count = len(ranks)
    return float(((ranks.sum(axis=0) ** 2).sum() - count) / (count * (count - 1)))
