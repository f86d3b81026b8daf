"""Methods compared across area ratios: means, intervals, and what beats chance.

Tables are tidy: one row a model, method, area and metric. Intervals are 95 %, by bootstrap over
clips.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from videxplain.errors import ConfigError
from videxplain.report.finished import Finished
from videxplain.report.statistics import consistency, interval, wins

RANDOM = "random"
"""The method that every other should beat."""
_FLOORS = (RANDOM, "center")
"""Methods that know nothing; a ranking of methods is one of the others."""
_CHOICE = pl.col("method").str.split(" ").list.first()
"""A method's name without the keys that tell it from others."""
_CHANCE = 0.5
_FEWEST = 8
"""Clips below which the bootstrap calls too much significant, so that nothing is said."""
_KEY = ("model", "pretrain_dataset", "metric")
_SCHEMA = {
    "model": pl.String,
    "pretrain_dataset": pl.String,
    "method": pl.String,
    "area": pl.Float64,
    "clip": pl.String,
    "metric": pl.String,
    "higher_is_better": pl.Boolean,
    "value": pl.Float64,
}
_RELIABILITY = {
    "model": pl.String,
    "pretrain_dataset": pl.String,
    "metric": pl.String,
    "pairs": pl.Int64,
    "better_than_random": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "consistency": pl.Float64,
    "reliable": pl.Boolean,
}


def measured(jobs: Sequence[Finished]) -> pl.DataFrame:
    """Every number of every job: one row a clip, area and metric; what does not apply is left out.

    Args:
        jobs: Finished ones.

    Raises:
        ConfigError: If nothing was measured, or the results are of an older version.

    Returns:
        Columns model, pretrain_dataset, method, area (null for a map), clip, metric,
        higher_is_better (null for a description), value.
    """
    rows = [
        {
            "model": job.model,
            "pretrain_dataset": job.pretrain_dataset,
            "method": job.method,
            "area": record["area"],
            "clip": record["clip"],
            "metric": name,
            "higher_is_better": _better(job, name),
            "value": value,
        }
        for job in jobs
        for record in job.records
        for name, value in record["metrics"].items()
        if value is not None
    ]
    if not rows:
        message = (
            "none of the metrics applies to these results: videxplain-evaluate measures others"
        )
        raise ConfigError(message)
    return pl.DataFrame(rows, _SCHEMA)


def compare(numbers: pl.DataFrame) -> pl.DataFrame:
    """Mean of each metric over the clips, with its interval, and whether it beats random.

    Args:
        numbers: From `measured`.

    Returns:
        Columns model, pretrain_dataset, metric, higher_is_better, method, area, clips, mean, low,
        high, beats_random: share of the clips on which the method is better than random at the same
        area (its map, where it has none there), and better_than_random: whether the mean of the
        differences is, its whole interval. Both are null for a description and without ``random``.
    """
    rows: list[dict[str, Any]] = []
    for _, group in numbers.group_by(*_KEY, maintain_order=True):
        for _, own in group.group_by("method", "area", maintain_order=True):
            first = own.row(0, named=True)
            values = own["value"].to_numpy()
            low, high = interval(values)
            rows.append(
                {key: first[key] for key in (*_KEY, "higher_is_better", "method", "area")}
                | {"clips": len(values), "mean": float(values.mean()), "low": low, "high": high}
                | _against_random(own, group)
            )
    return pl.DataFrame(rows, infer_schema_length=None).sort(
        *_KEY, "area", "method", maintain_order=True
    )


def reliability(numbers: pl.DataFrame) -> pl.DataFrame:
    """What each metric can tell, on these very clips.

    Li et al., "Spatio-temporal perturbations for video attribution", TCSVT 2021 (share of pairs
    better than random); Tomsett et al., AAAI 2020 (consistency).

    Args:
        numbers: From `measured`.

    Returns:
        Columns model, pretrain_dataset, metric, pairs (of clip and method, at each area),
        better_than_random (share of them), low, high, consistency (of the clips' rankings of the
        methods), reliable: whether the whole interval lies above one half. Without ``random``, or
        with nothing else, there is no row.
    """
    rows: list[dict[str, Any]] = []
    judged = numbers.filter(pl.col("higher_is_better").is_not_null())
    for _, group in judged.group_by(*_KEY, maintain_order=True):
        methods = group.filter(~_CHOICE.is_in(_FLOORS))
        parts = methods.group_by("method", "area", maintain_order=True)
        pairs = [found for _, own in parts if len(found := _pairs(own, group))]
        if not pairs:
            continue
        won = pl.concat(pairs).with_columns(won=wins(pl.col("value"), pl.col("random")))
        low, high = interval(won.group_by("clip").agg(pl.col("won").mean())["won"].to_numpy())
        rows.append(
            {key: group.row(0, named=True)[key] for key in _KEY}
            | {"pairs": len(won), "better_than_random": won["won"].mean(), "low": low, "high": high}
            | {"consistency": _consistency(methods)}
            | {"reliable": low > _CHANCE if won["clip"].n_unique() >= _FEWEST else None}
        )
    return pl.DataFrame(rows, _RELIABILITY)


def _better(job: Finished, metric: str) -> bool | None:
    told = job.outcome.get("measures", {}).get(metric)
    if told is None:
        message = (
            f"{job.folder} does not say what {metric} means, it is of an older version: "
            "explain anew with overwrite=true"
        )
        raise ConfigError(message)
    better: bool | None = told["higher_is_better"]
    return better


def _against_random(own: pl.DataFrame, group: pl.DataFrame) -> dict[str, Any]:
    pairs = _pairs(own, group)
    if (
        own.select(_CHOICE)["method"][0] == RANDOM
        or own["higher_is_better"][0] is None
        or not len(pairs)
    ):
        return {"beats_random": None, "better_than_random": None}
    value, random = pl.col("value"), pl.col("random")
    compared = pairs.select(won=wins(value, random), rise=value - random)
    low, _ = interval(compared["rise"].to_numpy())
    enough = len(compared) >= _FEWEST
    return {
        "beats_random": compared["won"].mean(),
        "better_than_random": low > 0 if enough else None,
    }


def _pairs(own: pl.DataFrame, group: pl.DataFrame) -> pl.DataFrame:
    """Values and random's for the same clip, both so that more is better.

    Args:
        own: Of a method at one area.
        group: Of all methods.
    """
    random = group.filter(_CHOICE == RANDOM)
    at_area = random.filter(pl.col("area").eq_missing(own["area"][0]))
    random = at_area if len(at_area) else random.filter(pl.col("area").is_null())
    drawn = random.group_by("clip").agg(random=pl.col("value").mean())  # of all its seeds
    joined = own.join(drawn, on="clip", maintain_order="left")
    sign = 1 if own["higher_is_better"][0] else -1
    return joined.select("clip", pl.col("value") * sign, pl.col("random") * sign)


def _consistency(methods: pl.DataFrame) -> float:
    """Of clips that have every method, averaged over its areas."""
    wide = methods.pivot(on="method", index="clip", values="value", aggregate_function="mean")
    return consistency(np.asarray(wide.drop("clip").drop_nulls().to_numpy()))
