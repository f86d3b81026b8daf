"""The table at the end of a run."""

import math

from videxplain.report.console import table
from videxplain.types import Record


def record(clip: str, area: float | None, **metrics: float) -> Record:
    return Record(clip, area, "down", "down", "up", 0.25, metrics)


def test_a_line_a_clip_and_area() -> None:
    lines = table([record("a", 0.1, gini=0.5, preserved=0), record("b", 0.1, gini=1, preserved=1)])
    assert len(lines.splitlines()) == 4
    assert "0.500" in lines
    assert "LOST" in lines


def test_many_metrics_become_means() -> None:
    names = {f"metric_{number}": float(number) for number in range(9)}
    known = record("a", 0.1, **names, converged_at=200)
    unknown = record("b", 0.1, **{**names, "metric_3": math.nan}, converged_at=101)
    whole = record("a", None, **{**names, "metric_3": math.nan}, converged_at=math.nan)
    header, _, *lines = table([known, unknown, whole]).splitlines()
    assert header.split() == ["mean", "of", "2", "clips", "0.1", "map"]
    assert len(lines) == 10
    assert lines[3].split() == ["metric", "3", "3.000", "-"]
    assert lines[9].split() == ["converged", "at", "150", "-"]


def test_many_clips_become_means() -> None:
    rows = [record(str(number), None, gini=number / 100) for number in range(101)]
    assert [line.split() for line in table(rows).splitlines()[2:]] == [["gini", "0.500"]]
