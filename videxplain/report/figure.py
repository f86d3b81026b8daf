"""Figures for papers: methods against frames, as a grid or as an animation."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from videxplain import figures, panels
from videxplain.errors import ConfigError, unknown_name
from videxplain.report.chosen import Choice, choose
from videxplain.report.figure_rows import Look, Row, Sheet, sheet
from videxplain.report.plain_text import PLAIN_TEXT
from videxplain.sinks.files import clip_slug, write_whole

GRIDS = (".png", ".pdf")
SUFFIXES = (*GRIDS, *sorted(panels.ANIMATED))
COLUMNS = 8
"""Frames of a grid."""

_STYLE: Mapping[str, Any] = {
    "font.family": panels.FONT,
    "pdf.fonttype": 42,  # journals refuse type 3, matplotlib's own choice
    **PLAIN_TEXT,
}
_DPI = 300
_TILE, _GAP, _LINE = 0.8, 0.03, 0.13
"""Inches: width of a frame, space between two, height of a line of text."""
_BAR = (1.6, 0.09)
"""Inches of the colour bar."""
_LARGE, _SMALL = 8, 7
"""Points of the text: legible where a figure is set in one column of two."""
_LETTERS = 30
"""That fit beside a row."""
_LETTERS_AN_INCH = 15
"""Of the title, rounded down."""
_LOST, _LOST_INK = "class not preserved", "#b00020"
_NAMELESS = {".png": {"Software": None}, ".pdf": {"CreationDate": None}}
"""What would make two equal figures differ."""


def write_figure(folder: Path, choice: Choice, look: Look, output: Path | None) -> list[Path]:
    """Draw what is on disk, a row a method under the clip's own frames.

    Args:
        folder: ``outputs/sweeps/<time>``, ``outputs``, or that of a job.
        choice: What of it.
        look: How it is shown; without a number of frames, a grid has 8, an animation all.
        output: Its suffix says which kind; None for a PNG and a PDF in the folder.

    Returns:
        The files written.

    Raises:
        ConfigError: If there is nothing of that name, or the suffix is unknown.
        OutputError: If results cannot be read, or the figure not written.
    """
    if output is not None and output.suffix.lower() not in SUFFIXES:
        raise ConfigError(unknown_name("suffix of --output", output.suffix, SUFFIXES))
    chosen = choose(folder, choice)
    stem = f"figure-{clip_slug(chosen.clip)}"
    files = [folder / f"{stem}{suffix}" for suffix in GRIDS] if output is None else [output]
    animated = files[0].suffix.lower() in panels.ANIMATED
    if look.frames is None and not animated:
        look = replace(look, frames=COLUMNS)
    shown = sheet(chosen, choice.area, look)
    for file in files:
        save = animation(shown).save if animated else partial(save_grid, shown)
        write_whole(file, save)
    return files


def animation(shown: Sheet) -> panels.Figure:
    """The rows side by side.

    Args:
        shown: With every frame that is to be seen.
    """
    titles = ("\n".join(_lines(row)) for row in shown.rows)
    frames = tuple(row.frames for row in shown.rows)
    scale = shown.scale and f"   {shown.scale}"
    return panels.Figure(frames, tuple(titles), f"{panels.drawable(shown.clip)}{scale}")


def save_grid(shown: Sheet, path: Path) -> None:
    """Write a row a method and a column a frame, as PNG or PDF by the suffix.

    Args:
        shown: What is drawn.
        path: Of the file.
    """
    suffix = path.suffix.lower()
    with matplotlib.style.context(["default", dict(_STYLE)]):  # whatever the user's own style
        _grid(shown).savefig(
            path,
            format=suffix[1:],
            dpi=_DPI,
            bbox_inches="tight",  # nothing is cut off, however long a name is
            pad_inches=_GAP,
            metadata=_NAMELESS[suffix],
        )


def _grid(shown: Sheet) -> Figure:
    """Drawn in inches, from the upper left corner of the first frame."""
    columns = len(shown.numbers)
    width = columns * (_TILE + _GAP) - _GAP
    tops = list(_tops(shown.rows))
    figure = Figure(figsize=(width, tops[-1]))
    axis = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(tops[-1], 0))
    axis.set_axis_off()
    _draw_header(axis, shown)
    for row, top, end in zip(shown.rows, tops, tops[1:], strict=False):
        middle = (top + end - _GAP) / 2
        for column, frame in enumerate(row.frames):
            place = (column * (_TILE + _GAP), middle - _height(row) / 2)
            _paste(axis, frame, place, (_TILE, _height(row)))
        _draw_words(axis, row, middle)
    if shown.scale:
        _draw_bar(axis, shown, tops[-1] + _GAP)
    return figure


def _tops(rows: Sequence[Row]) -> Iterator[float]:
    """Where each row begins, and where the last one ends; many words push rows apart."""
    top = 0.0
    for row in rows:
        yield top
        top += max(_height(row), _LINE * len(_lines(row))) + _GAP
    yield top


def _height(row: Row) -> float:
    height, width = row.frames.shape[1:3]
    return _TILE * float(height / width)


def _draw_header(axis: Axes, shown: Sheet) -> None:
    letters = max(_LETTERS, int(_LETTERS_AN_INCH * axis.get_xlim()[1]))
    title = "\n".join(textwrap.wrap(panels.drawable(shown.clip), letters))
    axis.text(0, -_GAP - 1.2 * _LINE, title, fontsize=_LARGE, va="bottom")
    axis.text(-2 * _GAP, -_GAP, "frame", fontsize=_SMALL, ha="right", va="bottom")
    for column, number in enumerate(shown.numbers):
        middle = column * (_TILE + _GAP) + _TILE / 2
        axis.text(middle, -_GAP, str(number), fontsize=_SMALL, ha="center", va="bottom")


def _draw_words(axis: Axes, row: Row, middle: float) -> None:
    lines = _lines(row)
    first = middle - _LINE * (len(lines) - 1) / 2
    of_name = len(lines) - len(_facts(row))
    for number, line in enumerate(lines):
        axis.text(
            -2 * _GAP,
            first + number * _LINE,
            line,
            fontsize=_LARGE if number < of_name else _SMALL,
            fontweight="bold" if number < of_name else "normal",
            color=_LOST_INK if row.lost and line == _LOST else "black",
            ha="right",
            va="center",
        )


def _lines(row: Row) -> list[str]:
    """The name and what stands below it, wrapped."""
    return [*textwrap.wrap(panels.drawable(row.name), _LETTERS), *_facts(row)]


def _facts(row: Row) -> list[str]:
    facts = [*row.facts, _LOST] if row.lost else row.facts
    return [line for fact in facts for line in textwrap.wrap(panels.drawable(fact), _LETTERS)]


def _draw_bar(axis: Axes, shown: Sheet, top: float) -> None:
    """The colours before they are laid over the grey frames."""
    width, height = _BAR
    _paste(axis, figures.colour_table(shown.colours)[None], (0, top), _BAR)
    for value in (0, 0.5, 1):
        place = (value * width, top + height + _GAP)
        axis.text(*place, f"{value:g}", fontsize=_SMALL, ha="center", va="top")
    axis.text(width + 4 * _GAP, top + height / 2, shown.scale, fontsize=_SMALL, va="center")


def _paste(
    axis: Axes,
    picture: UInt8[np.ndarray, "h w c"],
    place: tuple[float, float],
    size: tuple[float, float],
) -> None:
    """With its own pixels, which a PDF keeps."""
    left, top = place
    extent = (left, left + size[0], top + size[1], top)
    axis.imshow(picture, extent=extent, aspect="auto", interpolation="none", clip_on=False)
