"""The report: a folder with a page that shows what was explained, how well, and how it looks."""

import logging
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from videxplain.accounts import versions
from videxplain.errors import ConfigError, VidexplainError
from videxplain.report.comparison import compare, measured, reliability
from videxplain.report.finished import Finished, finished
from videxplain.report.gallery import clip_files, write_media
from videxplain.report.page_files import copy_page, put
from videxplain.report.summary import Row, summarise

log = logging.getLogger(__name__)

_OF_A_JOB = ("state", "error", "model", "pretrain_dataset", "method", "clips", "seconds")
_NO_COMPARISON: Mapping[str, Any] = {"metrics": {}, "rows": [], "reliability": [], "curves": []}


def write_report(folder: Path) -> Path:
    """Make the page of a sweep, of a job, or of all jobs in a folder of outputs.

    Pictures that are there already and have not changed since stay, so that making it again is
    quick.

    Args:
        folder: ``outputs/sweeps/<time>``, ``outputs``, or that of a job.

    Raises:
        ConfigError: If there is no job.
        OutputError: If results cannot be read, or the page not written.

    Returns:
        ``report/index.html`` in the folder, which a browser opens from the disk.
    """
    rows = {(row.get("number"), row["folder"]): row for row in reversed(summarise(folder))}
    if not rows:
        message = f"{folder} holds no job: give outputs/sweeps/<time>, outputs, or that of a job"
        raise ConfigError(message)
    done = any(row["state"] == "done" for row in rows.values())
    jobs = finished(folder) if done else []
    to = folder / "report"
    put(to, "overview", _overview(folder, list(reversed(rows.values())), jobs))
    put(to, "comparison", _comparison(jobs) if jobs else _NO_COMPARISON)
    bar = tqdm(jobs, desc="report", unit="job", disable=None, leave=False)
    shown = [each for job in bar for each in write_media(to, job)]
    for name, value in clip_files(shown):
        put(to, name, value)
    copy_page(to)
    return to / "index.html"


def tell_report(folder: Path) -> None:
    """Make the page of what has just ended; if it cannot be made, the results stand.

    Args:
        folder: Of a sweep or of a job.
    """
    try:
        tqdm.write(f"Page: {write_report(folder)}")
    except VidexplainError as error:
        log.warning("there is no page: %s", error)


def _overview(folder: Path, rows: Sequence[Row], jobs: Sequence[Finished]) -> Mapping[str, Any]:
    found = {job.folder: job for job in jobs}
    return {
        "folder": _last_parts(folder.absolute(), 2),
        "made": f"{datetime.now().astimezone():%Y-%m-%d %H:%M}",
        "versions": versions(),
        "jobs": [_job(row, found.get(Path(row["folder"] or "").absolute())) for row in rows],
    }


def _job(row: Row, job: Finished | None) -> Mapping[str, Any]:
    folder = _last_parts(Path(row["folder"]), 5) if row["folder"] else None
    told = {**{key: row.get(key) for key in _OF_A_JOB}, "folder": folder}
    command = shlex.join(["videxplain", *row.get("overrides", [])])
    if job is None:
        return {"job": None, "setting": "", "command": command, **told}
    names = {"model": job.model, "pretrain_dataset": job.pretrain_dataset, "method": job.method}
    return {**told, **names, "job": job.name, "setting": job.setting, "command": job.command}


def _last_parts(path: Path, count: int) -> str:
    """The end of a path: where it lies on this disk is nobody else's business."""
    return Path(*path.parts[-count:]).as_posix()


def _comparison(jobs: Sequence[Finished]) -> Mapping[str, Any]:
    try:
        numbers = measured(jobs)
    except ConfigError:  # nothing was measured: there are pictures to look at
        return _NO_COMPARISON
    return {
        "metrics": {
            job.metric_name(name): told
            for job in jobs
            for name, told in job.outcome.get("measures", {}).items()
        },
        "rows": compare(numbers).to_dicts(),
        "reliability": reliability(numbers).to_dicts(),
        "curves": [{**job.names, "job": job.name} for job in jobs],
    }
