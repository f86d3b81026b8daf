"""A comparison as text: a table a metric, the methods against the areas."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from tabulate import tabulate

from videxplain.report.chance import CHOICE, RANDOM
from videxplain.report.comparison import NETWORK
from videxplain.report.finished import heading

_NOT_BETTER = "°"
_NOTES = (
    "Means over the clips with 95 % intervals (bootstrap). `map` is a method's one map, else the "
    "columns are areas: of the masks found for them, or of the map cut into masks. The best of a "
    f"column is bold, where its masks are as large as each other; {_NOT_BETTER} marks what is not "
    "better than masks of `random` that are as large."
)
_NO_FLOOR = "`random` is not among these methods: nothing can be said about chance."


def comparison(table: pl.DataFrame, reliability: pl.DataFrame, agreement: pl.DataFrame) -> str:
    """All of a comparison.

    Args:
        table: From `videxplain.report.comparison.compare`.
        reliability: From the same module.
        agreement: From `videxplain.report.agreement.agreement`; may be empty.
    """
    parts = [_NOTES]
    for network, own in table.group_by(*NETWORK, maintain_order=True):
        parts += [
            f"## {heading(*network)}",
            "" if RANDOM in own.select(CHOICE)["method"] else _NO_FLOOR,
        ]
        same = [pl.col(name) == value for name, value in zip(NETWORK, network, strict=True)]
        told = reliability.filter(*same)
        for (metric,), rows in own.group_by("metric", maintain_order=True):
            parts += [f"### {metric}", _said(rows, told), _table(rows)]
    if len(agreement):
        parts += ["## Agreement", _agreed(agreement)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _said(rows: pl.DataFrame, reliability: pl.DataFrame) -> str:
    better = {True: "Higher is better.", False: "Lower is better.", None: ""}
    sentences = [better[rows["higher_is_better"][0]]]
    for row in reliability.to_dicts():
        if row["metric"] != rows["metric"][0]:
            continue
        sentences.append(
            f"Reliability: better than random in {row['better_than_random']:.0%} of "
            f"{row['pairs']} pairs of clip and method, one an area."
        )
        if not math.isnan(row["consistency"]):
            sentences.append(
                f"Clips agree on the order of the methods to {row['consistency']:.2f}."
            )
        if row["reliable"] is None:
            sentences.append("These are too few clips to tell whether it can be trusted.")
        elif not row["reliable"]:
            sentences.append("**It cannot tell these methods from noise.**")
    return " ".join(sentence for sentence in sentences if sentence)


def _table(rows: pl.DataFrame) -> str:
    areas = sorted(set(rows["area"]), key=lambda area: (area is not None, area or 0))
    cells = {(row["method"], row["area"]): row for row in rows.to_dicts()}
    methods = dict.fromkeys(
        rows.sort("mean", descending=rows["higher_is_better"][0] is not False)["method"]
    )
    lines = [[method, *(_cell(cells.get((method, area))) for area in areas)] for method in methods]
    header = ["method", *("map" if area is None else f"{area:g}" for area in areas)]
    return tabulate(lines, header, tablefmt="github", disable_numparse=True)


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    mean = f"{row['mean']:.3f}"
    mean = f"**{mean}**" if row["best"] else mean
    mark = _NOT_BETTER if row["better_than_random"] is False else ""
    if math.isnan(row["low"]):  # a single clip
        return f"{mean}{mark}"
    return f"{mean}{mark} [{row['low']:.2f}, {row['high']:.2f}]"


def _agreed(agreement: pl.DataFrame) -> str:
    columns: Sequence[str] = agreement.columns
    lines: Iterator[list[str]] = (
        [_number(value) for value in row.values()] for row in agreement.to_dicts()
    )
    header = [column.replace("_", " ") for column in columns]
    return tabulate(list(lines), header, tablefmt="github", disable_numparse=True)


def _number(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
