"""Methods compared across area ratios: means, intervals, and what beats chance.

Tables are tidy: one row a model, method, area and metric. Intervals are 95 %, by bootstrap over
clips.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from videxplain.errors import ConfigError
from videxplain.report.chance import CHOICE, FLOORS, RANDOM, Drawn, beside_random, drawn
from videxplain.report.finished import Finished
from videxplain.report.statistics import consistency, interval, wins
from videxplain.words import as_text

TYPICAL_AREA = 0.1
"""Where one area must do: of maps without areas, of curves."""
NETWORK = ("model", "pretrain_dataset", "setting")
"""Columns of what explains the same."""
KEY = (*NETWORK, "metric")
"""Columns of what is compared with each other."""
_CHANCE = 0.5
_FEWEST = 8
"""Clips below which the bootstrap calls too much significant, so that nothing is said."""
_AS_LARGE = 0.05
"""Masks that keep as much, but for this share, can be told better or worse than each other."""
_NAMES = dict.fromkeys(KEY, pl.String)
_SCHEMA = {
    **_NAMES,
    "method": pl.String,
    "area": pl.Float64,
    "clip": pl.String,
    "visible_area": pl.Float64,
    "higher_is_better": pl.Boolean,
    "value": pl.Float64,
}
_RELIABILITY = {
    **_NAMES,
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
        Columns model, pretrain_dataset, setting, metric, method, area (null for a map), clip,
        visible_area (null if it was not measured), higher_is_better (null for a description) and
        value.
    """
    every = pl.concat([pl.DataFrame(_numbers(job), _SCHEMA) for job in jobs])
    # jobs that differ in what they measure alone may measure the same; one may know more
    known = every.sort(pl.col("visible_area").is_null(), maintain_order=True)
    numbers = known.unique([*KEY, "method", "area", "clip"], keep="first", maintain_order=True)
    if not len(numbers):
        message = (
            "none of the metrics applies to these results: videxplain-evaluate measures others"
        )
        raise ConfigError(message)
    return numbers


def compare(numbers: pl.DataFrame) -> pl.DataFrame:
    """Mean of each metric over the clips, with its interval, and whether it beats random.

    Args:
        numbers: From `measured`.

    Returns:
        Columns model, pretrain_dataset, setting, metric, higher_is_better, method, area,
        visible_area, clips, mean, low, high, beats_random: share of the clips on which the method
        is better than random by masks as large (its map, where it has no masks), and
        better_than_random: whether the mean of the differences is, its whole interval; both are
        null for a description and where ``random`` has nothing to compare with. best: whether no
        method has a better mean; null where their masks are not as large as each other.
    """
    rows: list[dict[str, Any]] = []
    for _, group in numbers.group_by(*KEY, maintain_order=True):
        random = drawn(group.filter(CHOICE == RANDOM))
        for _, own in group.group_by("method", "area", maintain_order=True):
            first = own.row(0, named=True)
            values = own["value"].to_numpy()
            low, high = interval(values)
            rows.append(
                {key: first[key] for key in (*KEY, "higher_is_better", "method", "area")}
                | {"visible_area": own["visible_area"].mean()}
                | {"clips": len(values), "mean": float(values.mean()), "low": low, "high": high}
                | _against_random(own, random)
            )
    better = pl.col("higher_is_better").cast(pl.Boolean)  # of descriptions alone all are null
    table = pl.DataFrame(rows, infer_schema_length=None).with_columns(better)
    return table.with_columns(best=_best()).sort(*KEY, "area", "method", maintain_order=True)


def reliability(numbers: pl.DataFrame) -> pl.DataFrame:
    """What each metric can tell, on these very clips.

    Li et al., "Spatio-temporal perturbations for video attribution", TCSVT 2021 (share of pairs
    better than random); Tomsett et al., "Sanity checks for saliency metrics", AAAI 2020
    (consistency).

    Args:
        numbers: From `measured`.

    Returns:
        Columns model, pretrain_dataset, setting, metric, pairs (of clip and method, at each area),
        better_than_random (share of them), low, high, consistency (of the clips' rankings of the
        methods), reliable: whether the whole interval lies above one half. Without ``random``, or
        with nothing else, there is no row.
    """
    rows: list[dict[str, Any]] = []
    judged = numbers.filter(pl.col("higher_is_better").is_not_null())
    for _, group in judged.group_by(*KEY, maintain_order=True):
        methods = group.filter(~CHOICE.is_in(FLOORS))
        random = drawn(group.filter(CHOICE == RANDOM))
        parts = methods.group_by("method", "area", maintain_order=True)
        pairs = [found for _, own in parts if len(found := beside_random(own, random))]
        if not pairs:
            continue
        won = pl.concat(pairs).with_columns(won=wins(pl.col("value"), pl.col("random")))
        low, high = interval(won.group_by("clip").agg(pl.col("won").mean())["won"].to_numpy())
        rows.append(
            {key: group.row(0, named=True)[key] for key in KEY}
            | {"pairs": len(won), "better_than_random": won["won"].mean(), "low": low, "high": high}
            | {"consistency": _consistency(methods)}
            | {"reliable": low > _CHANCE if won["clip"].n_unique() >= _FEWEST else None}
        )
    return pl.DataFrame(rows, _RELIABILITY)


def _numbers(job: Finished) -> list[dict[str, Any]]:
    return [
        {
            "model": job.model,
            "pretrain_dataset": job.pretrain_dataset,
            "setting": job.setting,
            "metric": job.metric_name(name),
            "method": job.method,
            "area": _as_float(record["area"]),
            "clip": as_text(record["clip"]),
            "visible_area": _as_float(record["metrics"].get("visible_area")),
            "higher_is_better": _better(job, name),
            "value": float(value),
        }
        for record in job.records
        for name, value in record["metrics"].items()
        if value is not None
    ]


def _as_float(value: float | None) -> float | None:
    """A file may hold whole numbers, of more digits than polars takes."""
    return None if value is None else float(value)


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


def _best() -> pl.Expr:
    """Of the methods in a column: of one metric at one area."""
    column = (*KEY, "area")
    extreme = pl.when("higher_is_better").then(pl.col("mean").max()).otherwise(pl.col("mean").min())
    kept = pl.col("visible_area")
    alike = kept.max().over(column) <= (1 + _AS_LARGE) * kept.min().over(column)
    several = pl.len().over(column) > 1
    comparable = pl.col("area").is_null() | kept.is_null().any().over(column) | alike
    judged = pl.col("higher_is_better").is_not_null()
    return pl.when(judged & several & comparable).then(pl.col("mean") == extreme.over(column))


def _against_random(own: pl.DataFrame, random: Drawn) -> dict[str, Any]:
    pairs = beside_random(own, random)
    is_random = own.select(CHOICE)["method"][0] == RANDOM
    if is_random or own["higher_is_better"][0] is None or not len(pairs):
        return {"beats_random": None, "better_than_random": None}
    value, drawn = pl.col("value"), pl.col("random")
    compared = pairs.select(won=wins(value, drawn), rise=value - drawn)
    low, _ = interval(compared["rise"].to_numpy())
    return {
        "beats_random": compared["won"].mean(),
        "better_than_random": low > 0 if len(compared) >= _FEWEST else None,
    }


def _consistency(methods: pl.DataFrame) -> float:
    """Of clips that have every method, averaged over its areas."""
    wide = methods.pivot(on="method", index="clip", values="value", aggregate_function="mean")
    return consistency(np.asarray(wide.drop("clip").drop_nulls().to_numpy()))
