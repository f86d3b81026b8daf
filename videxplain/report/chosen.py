"""Which clip a figure shows, and the jobs that explain it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videxplain.errors import ConfigError, unknown_name
from videxplain.report.finished import Finished, finished
from videxplain.words import first_of


@dataclass(frozen=True)
class Choice:
    """What is to be shown of a folder.

    Attributes:
        clip: Its name; None where there is one only.
        model: Name, with or without the keys that tell it from others; None for all.
        methods: Names like that, in their order; none for all.
        area: Share that the masks were asked to keep; None for a typical one.
    """

    clip: str | None = None
    model: str | None = None
    methods: Sequence[str] = ()
    area: float | None = None


@dataclass(frozen=True)
class Explained:
    """A job that explains the chosen clip, and its numbers.

    Attributes:
        job: A finished one.
        records: Of the clip, one an area.
    """

    job: Finished
    records: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Chosen:
    """A clip, and all that explains it.

    Attributes:
        clip: Its name.
        pictures: Where its frames are.
        explained: By at least one job.
    """

    clip: str
    pictures: Path
    explained: Sequence[Explained]


def choose(folder: Path, choice: Choice) -> Chosen:
    """Find the clip and the jobs that are to be shown.

    Args:
        folder: ``outputs/sweeps/<time>``, ``outputs``, or that of a job.
        choice: What of it.

    Raises:
        ConfigError: If there is nothing of that name, or more than a figure can show.
        OutputError: If a record cannot be read.
    """
    jobs = finished(folder)
    if choice.model is not None:
        jobs = _called(jobs, "model", choice.model)
    clips = {job.folder: {row["clip"]: None for row in job.records} for job in jobs}
    names = list(dict.fromkeys(name for own in clips.values() for name in own))
    clip = _clip(folder, names, choice.clip)
    explaining = [job for job in jobs if clip in clips[job.folder]]
    _check_area(explaining, clip, choice.area)
    if choice.methods:
        called = [job for name in choice.methods for job in _called(explaining, "method", name)]
        explaining = list({job.folder: job for job in called}.values())
    pictures = _pictures(explaining, clip)
    return Chosen(clip, pictures, [Explained(job, _records(job, clip)) for job in explaining])


def _called(jobs: Sequence[Finished], kind: str, name: str) -> list[Finished]:
    """Those whose model or method has this name, with the keys behind it or without."""
    names = [job.names[kind] for job in jobs]
    found = [job for job, own in zip(jobs, names, strict=True) if name in (own, own.split()[0])]
    if not found:
        raise ConfigError(unknown_name(kind, name, dict.fromkeys(names)))
    return found


def _clip(folder: Path, names: Sequence[str], name: str | None) -> str:
    if name is None and len(names) > 1:
        message = f"{folder} holds {len(names)} clips: choose one with --clip, {first_of(names)}"
        raise ConfigError(message)
    if not names:
        message = f"{folder} holds no clip: explain one first"
        raise ConfigError(message)
    if name is not None and name not in names:
        raise ConfigError(unknown_name("clip", name, names))
    return names[0] if name is None else name


def _records(job: Finished, clip: str) -> list[Mapping[str, Any]]:
    return [row for row in job.records if row["clip"] == clip]


def _check_area(jobs: Sequence[Finished], clip: str, area: float | None) -> None:
    """An area that some method has is one for all: the others show their nearest."""
    rows = [row for job in jobs for row in _records(job, clip)]
    known = sorted({row["area"] for row in rows if row["area"] is not None})
    if area is not None and known and not any(math.isclose(area, each) for each in known):
        raise ConfigError(unknown_name("area", f"{area:g}", [f"{each:g}" for each in known]))


def _pictures(jobs: Sequence[Finished], clip: str) -> Path:
    """Where they are; all jobs must show the same, for there is one row of them."""
    found = {job.pixels(clip) for job in jobs}
    pictures = found.pop()
    if pictures is None or None in found:
        message = f"no pictures of {clip!r} were kept, so that there is nothing to draw"
        raise ConfigError(message)
    if found:
        raise ConfigError(_how_they_differ(jobs, clip))
    return pictures


def _how_they_differ(jobs: Sequence[Finished], clip: str) -> str:
    models = list(dict.fromkeys(job.model for job in jobs))
    if len(models) > 1:
        seen = f"{first_of(models)} see {clip!r} in different sizes or frames"
        return f"{seen}: choose one with --model"
    settings = list(dict.fromkeys(job.setting for job in jobs if job.setting))
    told = f" ({first_of(settings)})" if settings else ""
    return f"{clip!r} names different pictures{told}: give the folder of one sweep, or of one job"
