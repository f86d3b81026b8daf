"""The table at the end of a run."""

import math
from collections.abc import Sequence
from statistics import mean  # fmean adds up first, which may be too much for a float

from tabulate import tabulate

from videxplain.types import Record
from videxplain.words import counted

_COLUMNS = {
    "visible_area": "visible area",
    "probability_kept": "p kept",
    "probability_deleted": "p deleted",
    "converged_at": "converged at",
    "preserved": "class",
}
_WHOLE = frozenset({"converged_at"})
"""Metrics that count something."""
_WIDEST = 32
_MOST_METRICS = 8
_MOST_ROWS = 60


def table(records: Sequence[Record]) -> str:
    """One line a clip and area; a mask that does not preserve the class is marked ``LOST``.

    What would be too wide or too long to read becomes means: one line a metric.

    Args:
        records: At least one, all with the same metrics.
    """
    applied = [
        name
        for name in records[0].metrics
        if not all(math.isnan(record.metrics[name]) for record in records)
    ]
    if len(applied) > _MOST_METRICS or len(records) > _MOST_ROWS:
        return _means(records, applied)
    header = ["clip", "label", "target", "prediction", "p", "area"]
    header += [_COLUMNS.get(name, name.replace("_", " ")) for name in applied]
    rows = [
        [
            _short(record.clip),
            _short(record.label or "-"),
            _short(record.target),
            _short(record.prediction),
            f"{record.probability:.3f}",
            "-" if record.area is None else f"{record.area:g}",
            *(_cell(name, record.metrics[name]) for name in applied),
        ]
        for record in records
    ]
    return tabulate(rows, header, disable_numparse=True)


def _means(records: Sequence[Record], applied: Sequence[str]) -> str:
    areas: dict[float | None, list[Record]] = {}
    for record in records:
        areas.setdefault(record.area, []).append(record)
    clips = counted(len({record.clip for record in records}), "clip")
    header = [f"mean of {clips}", *("map" if area is None else f"{area:g}" for area in areas)]
    rows = [
        [name.replace("_", " "), *(_mean(name, own) for own in areas.values())] for name in applied
    ]
    return tabulate(rows, header, disable_numparse=True)


def _mean(name: str, records: Sequence[Record]) -> str:
    values = [record.metrics[name] for record in records if not math.isnan(record.metrics[name])]
    if not values:
        return "-"
    return f"{mean(values):.0f}" if name in _WHOLE else f"{mean(values):.3f}"


def _cell(name: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    if name == "preserved":
        return "kept" if value else "LOST"
    return f"{value:.0f}" if name in _WHOLE else f"{value:.3f}"


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
