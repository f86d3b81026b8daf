"""A table of jobs: what was asked for, how it ended, and what was measured."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from videxplain.sinks import places
from videxplain.sinks.files import write_whole
from videxplain.sinks.places import RESULT, STATUS, shard_folders, whole_folder
from videxplain.sinks.shards import Outcome, joined, read
from videxplain.sinks.stored import read_status
from videxplain.sinks.sweep_folder import CHOICES, Asked, JobState, SweepFolder

Row = dict[str, Any]

COLUMNS = (
    *("number", "state", "error", "model", "pretrain_dataset", "method", "area", "clips"),
    *("seconds", "overrides", "folder"),
)
"""Before the metrics, whose means over the clips follow."""
_ACCOUNTS = (RESULT, STATUS)


def summarise(folder: Path) -> list[Row]:
    """Rows of a sweep's folder, or of every job in a folder of outputs.

    Args:
        folder: ``outputs/sweeps/<time>``, ``outputs``, or that of a job.

    Returns:
        One row an area of each finished job, and one for each other job.
    """
    sweep = SweepFolder(folder)
    if sweep.is_one():
        jobs = _of_sweep(sweep)
    elif _accounts(folder):
        jobs = _of_folders([folder.absolute()])
    else:
        jobs = _of_folders(places.job_folders(folder, _ACCOUNTS))
    return [row for job in jobs for row in job]


def write_summary(folder: Path) -> Path:
    """Write ``summary.csv`` into the folder.

    Raises:
        OutputError: If it cannot be written.
    """
    rows = summarise(folder)
    path = folder / "summary.csv"
    write_whole(path, partial(_write_csv, rows))
    return path


def _of_sweep(sweep: SweepFolder) -> Iterator[Sequence[Row]]:
    """Shares of one job stand in one place, as the first of them."""
    together: dict[Path | int, list[Row]] = {}
    for number, asked in enumerate(sweep.plan()):
        state = sweep.state(number, asked)
        done = state.state == "done" and state.folder is not None
        key: Path | int = whole_folder(Path(str(state.folder))) if done else number
        together.setdefault(key, []).append(_row(number, asked, state))
    for key, rows in together.items():
        if isinstance(key, Path):
            parts = [Path(row["folder"]) for row in rows]
            folders = [key] if (key / RESULT).is_file() else dict.fromkeys(parts)
            found = [each for each in map(read, folders) if each is not None]
            yield _with_results(_one_row(rows, key), found)
        else:
            yield rows


def _of_folders(folders: Sequence[Path]) -> Iterator[Sequence[Row]]:
    for folder in folders:
        row: Row = {"folder": str(folder)}
        if places.outputs_of(folder) is not None:
            row |= zip(("pretrain_dataset", "model", "method"), folder.parts[-4:-1], strict=True)
        results = {each: read(each) for each in _accounts(folder)}
        done = [result for result in results.values() if result is not None]
        missing = [each for each, result in results.items() if result is None]
        rest = [{**row, "folder": str(each), **_unfinished(each)} for each in missing]
        yield [*(_with_results(row, done) if done else []), *rest]


def _accounts(job: Path) -> Sequence[Path]:
    """Where a job says how far it is: its folder, or those of its shares; none if it is no job."""
    shares = [each for each in shard_folders(job) if _has_account(each)]
    return [job] if (job / RESULT).is_file() or (not shares and _has_account(job)) else shares


def _has_account(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _ACCOUNTS)


def _unfinished(folder: Path) -> Row:
    """What a job without a result says of itself."""
    told = read_status(folder / STATUS) or {}
    state, error = told.get("state", "stopped"), told.get("error") or "it runs, or was stopped"
    if state == "done":  # and its result is gone since
        state, error = "stopped", "its result is missing: the command that made it writes it anew"
    lines = error.strip().splitlines()
    return {"state": state, "error": "".join(lines[-1:]), "clips": _finished(str(folder))}


def _row(number: int, asked: Asked, state: JobState) -> Row:
    return {
        **{key: asked.choices.get(key) for key in CHOICES},
        "number": number,
        "state": state.state,
        "error": state.error,
        "overrides": asked.overrides,
        "clips": None if state.state == "done" else _finished(state.folder),
        "seconds": state.seconds,
        "folder": state.folder,
    }


def _finished(folder: str | None) -> int | None:
    """Clips of a job that has not ended well; a share's lie among those of other shares."""
    if folder is None or whole_folder(Path(folder)) != Path(folder):
        return None
    return sum(1 for _ in Path(folder).glob("records/[!.]*.json"))


def _one_row(rows: Sequence[Row], folder: Path) -> Row:
    """Of the shares of a job, with what they have in common."""
    first, *others = (row["overrides"] for row in rows)
    common = [each for each in first if all(each in other for other in others)]
    return {
        **rows[0],
        "overrides": common,
        "seconds": sum(row["seconds"] or 0 for row in rows),
        "folder": str(folder),
    }


def _with_results(row: Row, results: Sequence[Outcome]) -> Sequence[Row]:
    """A row an area, with what was measured."""
    if not results:  # deleted since
        return [row]
    found = results[0] if len(results) == 1 else joined(results)
    told = found["config"]
    common = {
        **row,
        "pretrain_dataset": told["pretrain_dataset"]["name"],
        **{key: told["choices"][key] for key in ("model", "method")},
        "state": found["state"],
        "error": row.get("error") or found.get("reason"),
        "seconds": sum(found.get("timings", {}).values()),
    }
    areas: dict[float | None, list[Mapping[str, Any]]] = {}
    for record in found["records"]:
        areas.setdefault(record["area"], []).append(record)
    if not areas:
        return [common]
    return [
        {**common, "area": area, "clips": len(records), **_means(records)}
        for area, records in areas.items()
    ]


def _means(records: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Over the clips that a metric applies to."""
    means: dict[str, float | None] = {}
    for name in dict.fromkeys(name for each in records for name in each["metrics"]):
        values = [each["metrics"].get(name) for each in records]
        known = [value for value in values if value is not None]
        column = f"metric {name}" if name in COLUMNS else name  # as one of the user's own may be
        means[column] = fmean(known) if known else None
    return means


def _write_csv(rows: Sequence[Row], path: Path) -> None:
    metrics = dict.fromkeys(key for row in rows for key in row if key not in COLUMNS)
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *metrics])
        writer.writeheader()
        writer.writerows({**row, "overrides": " ".join(row.get("overrides", ()))} for row in rows)
