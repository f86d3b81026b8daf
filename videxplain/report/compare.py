"""All files of a comparison, from finished jobs."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

from videxplain.report import markdown, plots
from videxplain.report.agreement import agreement
from videxplain.report.comparison import TYPICAL_AREA, compare, measured, reliability
from videxplain.report.finished import finished
from videxplain.sinks.files import write_text, write_whole


def write_comparison(folder: Path) -> Path:
    """Compare all finished jobs across models, methods and areas.

    Args:
        folder: ``outputs/sweeps/<time>``, or ``outputs``.

    Returns:
        The folder with comparison, reliability and agreement as CSV and parquet, comparison.md, and
        a plot a model.

    Raises:
        ConfigError: If there is no finished job.
        OutputError: If it cannot be written.
    """
    jobs = finished(folder)
    numbers = measured(jobs)
    areas = numbers["area"].drop_nulls().unique().sort().to_list() or [TYPICAL_AREA]
    tables = {
        "comparison": compare(numbers),
        "reliability": reliability(numbers),
        "agreement": agreement(jobs, areas),
    }
    to = folder / "comparison"
    for name, table in tables.items():
        for suffix, write in (("csv", table.write_csv), ("parquet", table.write_parquet)):
            write_whole(to / f"{name}.{suffix}", partial(_write, write))
    text = markdown.comparison(*tables.values())
    write_text(to / "comparison.md", text)
    pictures = [*plots.area_plots(tables["comparison"]), *plots.curve_plots(jobs)]
    for name, figure in pictures:
        write_whole(to / f"{name}.png", partial(plots.save, figure))
    return to


def _write(write: Callable[[IO[bytes]], None], path: Path) -> None:
    with path.open("wb") as file:  # polars itself takes no path that is no text
        write(file)
