"""Pictures of a comparison: metrics across areas, and curves of insertion and deletion."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.figure import Figure

from videxplain.report.chance import FLOORS
from videxplain.report.comparison import NETWORK, TYPICAL_AREA
from videxplain.report.curves import KeptCurve, mean_known, mean_shares
from videxplain.report.finished import Finished, heading
from videxplain.report.plain_text import PLAIN_TEXT
from videxplain.report.statistics import interval

_LINES = ("-", "-.", (0, (1, 1, 4, 1)))
_DASHES = dict(zip(FLOORS, (":", "--"), strict=True))
_COLUMNS = 3
_SIZE = (4.2, 3.2)
"""Inches of one plot."""
_BAND = 0.15
_DPI = 120


def area_plots(table: pl.DataFrame) -> Iterator[tuple[str, Figure]]:
    """For each model, every metric against the visible area: a line a method, a band its interval.

    A method with one map for all areas is a line across.

    Args:
        table: From `videxplain.report.comparison.compare`.
    """
    for network, own in table.group_by(*NETWORK, maintain_order=True):
        judged = own.filter(pl.col("higher_is_better").is_not_null())
        if len(judged):
            title = heading(*network)
            yield f"areas_{_slug(title)}", _areas(judged, _styles(own), title)


def curve_plots(jobs: Sequence[Finished]) -> Iterator[tuple[str, Figure]]:
    """For each model, the mean curve of insertion, deletion and the like of every method.

    Args:
        jobs: Finished ones.
    """
    for title in dict.fromkeys(job.heading for job in jobs):
        there = [job for job in jobs if job.heading == title]
        own = {
            method: _curves([job for job in there if job.method == method])
            for method in dict.fromkeys(job.method for job in there)
        }
        if any(own.values()):
            yield f"curves_{_slug(title)}", _all_curves(own, title)


def save(figure: Figure, path: Path) -> None:
    """Write a picture."""
    figure.savefig(path, dpi=_DPI, format="png")


@mpl.rc_context(PLAIN_TEXT)
def _areas(judged: pl.DataFrame, styles: Mapping[str, Mapping[str, Any]], title: str) -> Figure:
    names = judged["metric"].unique(maintain_order=True).to_list()
    figure, axes = _grid(len(names))
    for name, axis in zip(names, axes, strict=False):
        rows = judged.filter(pl.col("metric") == name)
        better = "higher" if rows["higher_is_better"][0] else "lower"
        for (method,), line in rows.group_by("method", maintain_order=True):
            _draw(axis, line.sort("area"), styles[str(method)])
        axis.set_title(f"{name} ({better} is better)", fontsize="small")
        axis.set_xlabel("visible area")
    _legend(figure, styles, title)
    return figure


@mpl.rc_context(PLAIN_TEXT)
def _all_curves(own: Mapping[str, Mapping[str, Sequence[KeptCurve]]], title: str) -> Figure:
    """Of every method, by the metrics' names."""
    names = list(dict.fromkeys(name for curves in own.values() for name in curves))
    figure, axes = _grid(len(names))
    styles = _styles(pl.DataFrame({"method": list(own)}))
    for name, axis in zip(names, axes, strict=False):
        for method, curves in own.items():
            if name in curves:
                _draw_curves(axis, curves[name], styles[method])
        axis.set_title(name.removesuffix("_auc"), fontsize="small")
        axis.set_xlabel("share of the clip")
        axis.set_ylabel("probability")
    _legend(figure, styles, title)
    return figure


def _draw(
    axis: Any,  # noqa: ANN401  # matplotlib's are untyped
    line: pl.DataFrame,
    style: Mapping[str, Any],
) -> None:
    at_areas = line.filter(pl.col("area").is_not_null())
    if not len(at_areas):
        axis.axhline(line["mean"][0], **style, alpha=0.8)
        return
    places = at_areas.select(pl.coalesce("visible_area", "area")).to_series()
    axis.plot(places, at_areas["mean"], marker=".", **style)
    axis.fill_between(
        places, at_areas["low"], at_areas["high"], color=style["color"], alpha=_BAND, lw=0
    )


def _draw_curves(
    axis: Any,  # noqa: ANN401
    records: Sequence[KeptCurve],
    style: Mapping[str, Any],
) -> None:
    """Mean over the clips; curves of clips with other shares are read at those of the first."""
    shares, values = mean_shares(records)
    axis.plot(shares, mean_known(values), **style)
    low, high = np.array([interval(column[~np.isnan(column)]) for column in values.T]).T
    axis.fill_between(shares, low, high, color=style["color"], alpha=_BAND, lw=0)


def _curves(jobs: Sequence[Finished]) -> Mapping[str, list[KeptCurve]]:
    """Of one method, at one area or of the map: by the metric's name, one a clip."""
    rows = [(job, record) for job in jobs for record in job.records if record.get("curves")]
    areas = {record["area"] for _, record in rows}
    chosen = min(areas, key=lambda area: abs((area or 0) - TYPICAL_AREA)) if areas else None
    found: dict[str, dict[str, KeptCurve]] = {}
    for job, record in rows:
        if record["area"] == chosen:
            for name, curve in record["curves"].items():
                found.setdefault(job.metric_name(name), {}).setdefault(record["clip"], curve)
    return {name: list(clips.values()) for name, clips in found.items()}


def _styles(table: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Of each method, told apart by colour and, where there are more, by line."""
    colours = [each for each in mpl.color_sequences["tab10"] if len(set(each)) > 1]  # no grey
    looks = cycle((colour, line) for line in _LINES for colour in colours)
    methods = sorted(set(table["method"]) - _DASHES.keys())
    known = {
        method: {"color": colour, "ls": line, "lw": 1.5, "label": method}
        for method, (colour, line) in zip(methods, looks, strict=False)
    }
    floors = {
        method: {"color": "grey", "ls": dashes, "lw": 1.5, "label": method}
        for method, dashes in _DASHES.items()
        if method in set(table["method"])
    }
    return known | floors


def _grid(count: int) -> tuple[Figure, Sequence[Any]]:
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(_SIZE[0] * columns, _SIZE[1] * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for axis in axes[count:]:
        axis.set_visible(False)
    return figure, list(axes)


def _legend(figure: Figure, styles: Mapping[str, Mapping[str, Any]], title: str) -> None:
    lines = [mpl.lines.Line2D([], [], **style) for style in styles.values()]
    columns = 2 * len(figure.axes[:_COLUMNS])
    figure.legend(handles=lines, loc="outside lower center", ncols=min(columns, len(lines)))
    figure.suptitle(title)


def _slug(title: str) -> str:
    return re.sub(r"\W+", "_", title).strip("_")
