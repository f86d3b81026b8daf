"""Rows of a figure: the clip, then what each job says of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from videxplain import figures, panels
from videxplain.panels import Panels
from videxplain.report.chosen import Chosen, Explained
from videxplain.report.comparison import TYPICAL_AREA
from videxplain.report.finished import Finished
from videxplain.sinks.arrays import damaged
from videxplain.sinks.disk import REMOVE, load_attribution
from videxplain.sinks.pixels import load_pixels
from videxplain.types import Attribution

Show = Literal["heat", "kept", "deleted"]
_Metrics = Mapping[str, float | None]
_TELLING = ("model", "pretrain_dataset", "setting")
"""What is said of a job where the others differ in it."""


@dataclass(frozen=True)
class Look:
    """How a figure shows what was found.

    Attributes:
        show: Heat maps, or what the mask keeps, or what it deletes.
        colours: Of heat maps, one of `videxplain.figures.COLOURS`.
        frames: Columns; None for every frame.
    """

    show: Show = "heat"
    colours: str = "viridis"
    frames: int | None = None


@dataclass(frozen=True)
class Row:
    """Frames, and what stands beside them.

    Attributes:
        name: Of the method.
        facts: Lines below it.
        lost: Whether the mask does not preserve the class.
        frames: The pictures.
    """

    name: str
    facts: tuple[str, ...]
    lost: bool
    frames: Panels


@dataclass(frozen=True)
class Sheet:
    """All that a figure shows.

    Attributes:
        clip: Its name.
        rows: The clip's own first.
        numbers: Of the frames, from 1.
        scale: What the colours mean; empty without heat maps.
        colours: Of the heat maps.
    """

    clip: str
    rows: tuple[Row, ...]
    numbers: tuple[int, ...]
    scale: str
    colours: str


def sheet(chosen: Chosen, area: float | None, look: Look) -> Sheet:
    """Draw every row.

    Args:
        chosen: The clip, and the jobs that explain it.
        area: Share that masks were asked to keep; None for a typical one.
        look: How they are shown.

    Raises:
        OutputError: If pictures or an attribution cannot be read.
    """
    clip, explained, own = chosen.clip, chosen.explained, load_pixels(chosen.pictures)
    shown = panels.spread(len(own), look.frames or len(own))
    loaded = [(each, _load(each.job.attribution(clip), own)) for each in explained]
    common = _common(explained)
    drawer = _Drawer(own, shown, TYPICAL_AREA if area is None else area, look)
    rows = [drawer.row(each, found, _telling(each, explained, common)) for each, found in loaded]
    return Sheet(
        clip=clip,
        rows=(Row("clip", common, lost=False, frames=own[shown]), *rows),
        numbers=tuple((shown + 1).tolist()),
        scale=_scale([found for _, found in loaded]) if look.show == "heat" else "",
        colours=look.colours,
    )


@dataclass(frozen=True)
class _Drawer:
    """Draws the rows of one clip."""

    pictures: Panels
    shown: Int[np.ndarray, "n"]
    area: float
    look: Look

    def row(self, explained: Explained, attribution: Attribution, told: Sequence[str]) -> Row:
        areas = attribution.areas or ()
        index = min(range(len(areas)), key=lambda each: abs(areas[each] - self.area), default=0)
        metrics = _metrics(explained.records, areas[index] if areas else self.area)
        sign = (f"{explained.job.polarity} values",) if attribution.signed and not areas else ()
        seen = self._mask(areas[index], metrics) if areas else self._top(metrics)
        return Row(
            name=explained.job.method,
            facts=(*told, *sign, *seen, *self._measured(metrics)),
            lost=metrics.get("preserved") == 0,
            frames=self._frames(explained.job, attribution, index),
        )

    def _frames(self, job: Finished, attribution: Attribution, index: int) -> Panels:
        pictures = self.pictures[self.shown]
        if self.look.show == "heat":
            heat, _ = figures.heat(attribution, 0, index, job.polarity)
            return figures.heat_map(pictures, heat[self.shown], self.look.colours)
        mask = figures.window(attribution, 0, index, job.polarity, self.area)[self.shown]
        seen = mask if self.look.show == "kept" else 1 - mask
        return figures.seen_through(pictures, seen, job.perturbation)

    def _mask(self, area: float, metrics: _Metrics) -> tuple[str, ...]:
        """The area asked for, and what the mask really keeps."""
        missed = "" if math.isclose(area, self.area) else f" (none for {self.area:g})"
        kept = metrics.get("visible_area")
        return (f"area {area:g}{missed}{'' if kept is None else f', kept {kept:.2f}'}",)

    def _top(self, metrics: _Metrics) -> tuple[str, ...]:
        """Of a map, where it is shown or measured."""
        told = self.look.show != "heat" or metrics
        return (f"top {100 * self.area:.3g} %",) if told else ()

    def _measured(self, metrics: _Metrics) -> list[str]:
        names = {"probability_kept": "p kept"}
        if self.look.show == "deleted":
            names["probability_deleted"] = "p deleted"
        values = {word: metrics.get(name) for name, word in names.items()}
        return [f"{word} {value:.2f}" for word, value in values.items() if value is not None]


def _metrics(records: Sequence[Mapping[str, Any]], area: float) -> _Metrics:
    """Those of a mask, or of a map cut at this area; none if it was not."""
    known = [each for each in records if each["area"] is not None]
    found = (each["metrics"] for each in known if math.isclose(each["area"], area))
    return next(found, {})


def _common(explained: Sequence[Explained]) -> tuple[str, ...]:
    """What all explain, if it is the same."""
    asked = {_asked(each) for each in explained}
    return tuple(asked) if len(asked) == 1 else ()


def _asked(explained: Explained) -> str:
    record = explained.records[0]
    return f"p({record['target']}) = {record['probability']:.2f}"


def _telling(
    explained: Explained, others: Sequence[Explained], common: Sequence[str]
) -> tuple[str, ...]:
    """What tells a job from others with its method."""
    names = [each.job.names for each in others]
    differing = [key for key in _TELLING if len({own[key] for own in names}) > 1]
    told = [explained.job.names[key] for key in differing if explained.job.names[key]]
    return (*told, *(() if common else (_asked(explained),)))


def _scale(attributions: Sequence[Attribution]) -> str:
    kinds = {found.areas is not None for found in attributions}
    words = {True: "masks: 0 to 1", False: "maps: shares of their 99th percentile"}
    return "; ".join(words[kind] for kind in words if kind in kinds)


def _load(path: Path, pictures: Panels) -> Attribution:
    found = load_attribution(path)
    if found.values.shape[3:] != pictures.shape[:3]:
        raise damaged(path, "it is of other frames than the pictures", REMOVE)
    return found
