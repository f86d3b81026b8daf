"""Saved attributions measured again, by other metrics; nothing is explained anew."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from videxplain import catalog, config, runner
from videxplain.chunks import logits_of
from videxplain.errors import OutputError
from videxplain.job import Job
from videxplain.measures import declared
from videxplain.measuring import Measuring
from videxplain.models.checkpoints import Checkpoint
from videxplain.pydantic_words import in_our_words
from videxplain.report.finished import outcome_of
from videxplain.root_keys import check_values
from videxplain.sinks import places
from videxplain.sinks.arrays import damaged
from videxplain.sinks.disk import REMOVE, DiskSink, is_of, load_attribution
from videxplain.sinks.files import write_json
from videxplain.sinks.shards import Outcome
from videxplain.sinks.stored import unreadable
from videxplain.types import Attribution, Clips, Record, Video

log = logging.getLogger(__name__)

_OF_ANOTHER_KIND = (AttributeError, KeyError, TypeError, ValueError)
"""What reading a configuration raises that holds a list for a path, or nothing for a key."""


def evaluate(
    folder: Path,
    outcome: Outcome,
    metrics: Mapping[str, Any],
    changes: Mapping[str, Any],
    plugins: Sequence[str] = (),
) -> None:
    """Measure the attributions of a finished job, and add what is found to its records.

    Args:
        folder: Of the job.
        outcome: Its result.json.
        metrics: Configuration of what is measured.
        changes: Root keys that may differ from the job's: device, batch_size, threads.
        plugins: Packages of the user's that the configuration may name.

    Raises:
        OutputError: If the results are those of another configuration (other weights, other videos,
            another format), their weights are not here, or a metric of the job itself is asked for
            with other keys.
        VidexplainError: If a part cannot be built, or a result not written.
    """
    with _as_saved(folder):
        _check_folder(folder, outcome)
        _check_new(outcome["config"].get("metrics") or {}, metrics)
        _check_weights(folder, outcome["config"]["model"])
    saved = {
        **catalog.root(),  # keys that no result depends on may be missing
        **outcome["config"],
        "outputs_dir": str(places.outputs_of(folder) or folder),  # they may lie elsewhere now
        **changes,
        "metrics": metrics,
        "logger": {},
    }
    check_values(saved)
    job = runner.prepare(saved, plugins)
    if job.classifier.weights_sha256 != outcome.get("weights_sha256"):
        message = f"{folder} was made with other weights: explain anew, or give those"
        raise OutputError(message)
    job = replace(job, sink=DiskSink(job.sink.outputs, folder, job.sink.polarity))
    with job.sink.alone():
        now = outcome_of(folder)  # another may have measured, or explained anew, since
        if now is None:
            message = f"{folder} is not finished any more: run the job to its end"
            raise OutputError(message)
        write_json(folder / places.RESULT, _measure_all(job, now))


def _measure_all(job: Job, outcome: Outcome) -> Outcome:
    """The outcome with what the job's metrics find.

    Clips of an evaluation that was stopped have more than the others: that stays out until it is
    measured of all.
    """
    size, records = job.config["batch_size"], []
    for start in tqdm(range(0, len(job.videos), size), desc="clips", unit="batch", disable=None):
        records += _measure(job, job.videos[start : start + size])
    measures = {metric.name: dict(declared(metric)) for metric in job.metrics}
    known = {**outcome.get("measures", {}), **measures}
    return {
        **outcome,
        "measures": known,
        "evaluated": {**outcome.get("evaluated", {}), **job.config["metrics"]},
        "records": [asdict(_by(known, record, job.sink.folder)) for record in records],
    }


def _by(known: Mapping[str, Any], record: Record, folder: Path) -> Record:
    if not known.keys() <= record.metrics.keys():
        raise unreadable(places.record(folder, record.clip))
    return record.measured_by(list(known))


@contextmanager
def _as_saved(folder: Path) -> Iterator[None]:
    """Say that values of a saved configuration are of a kind that none is made of."""
    try:
        yield
    except _OF_ANOTHER_KIND as error:
        message = f"the configuration in {folder} cannot be read ({error!r}): explain anew"
        raise OutputError(message) from error


def _check_folder(folder: Path, outcome: Outcome) -> None:
    if outcome["format"] != config.FORMAT:
        message = f"{folder} has format {outcome['format']}, not {config.FORMAT}: explain anew"
        raise OutputError(message)
    wanted = config.job_hash(outcome["config"], outcome.get("weights_sha256") or "")
    if wanted != folder.name:
        message = (
            f"{folder} is the result of another configuration than its result.json says "
            f"(that is {wanted}): run it in the folder where the job ran, with the data.boxes that "
            "it had, or explain anew"
        )
        raise OutputError(message)


def _check_weights(folder: Path, model: Mapping[str, Any]) -> None:
    """A saved configuration fetches nothing: it may say any address and any place for a file."""
    checkpoint = model.get("checkpoint")
    if checkpoint is None:
        return
    with in_our_words("model.checkpoint"):
        path = Checkpoint(**checkpoint).path(model.get("weights_dir"))
    if not path.is_file():
        message = f"the weights of {folder} are not here, {path} is no file: fetch them, or explain"
        raise OutputError(message)


def _check_new(measured: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
    """A number that the folder's name stands for must not become another one."""
    for name, section in metrics.items():
        if name in measured and config.uncut(measured[name]) != config.uncut(section):
            message = f"{name} was measured with other keys by the job itself: run a job with yours"
            raise OutputError(message)


def _measure(job: Job, batch: Sequence[Video]) -> list[Record]:
    """One batch; each clip's record is replaced at once."""
    clips = job.classifier.preprocess(batch)
    logits = logits_of(job.classifier, clips.frames, job.config["batch_size"])
    attribution = _saved(job.sink, clips, logits.shape[1])
    measuring = Measuring(job.classifier, job.method, job.metrics)
    areas, polarity = job.config["map_area"], job.config["polarity"]
    found = measuring.records(clips, attribution, logits, areas, polarity)
    return [
        record
        for name, own in groupby(found, attrgetter("clip"))
        for record in job.sink.extend(name, list(own))
    ]


def _saved(sink: DiskSink, clips: Clips, classes: int) -> Attribution:
    """Of the batch, on its device."""
    saved = [_saved_clip(sink, clips, index, classes) for index in range(len(clips.names))]
    if any(_kind(each) != _kind(saved[0]) for each in saved):
        message = f"attributions in {sink.folder} are of two jobs: run it with overwrite=true"
        raise OutputError(message)
    device = clips.frames.device
    return Attribution(
        values=torch.cat([each.values for each in saved], dim=1).to(device),
        target=torch.cat([each.target for each in saved]).to(device),
        areas=saved[0].areas,
        curves={
            name: _joined([each.curves[name] for each in saved]).to(device)
            for name in saved[0].curves
        },
        signed=saved[0].signed,
    )


def _saved_clip(sink: DiskSink, clips: Clips, index: int, classes: int) -> Attribution:
    name = clips.names[index]
    records = sink.records(name)
    if records is None:
        message = f"{name!r} is not explained yet in {sink.folder}: run the job to its end"
        raise OutputError(message)
    if not sink.shows(clips, index):
        message = f"the video of {name!r} is not the one that was explained: explain it anew"
        raise OutputError(message)
    path = places.archive(sink.folder, name)
    saved = load_attribution(path)
    if saved.values.shape[3:] != clips.frames.shape[2:] or int(saved.target) >= classes:
        raise damaged(path, "it is of another clip or class", REMOVE)
    if not is_of(saved, [each.area for each in records]):
        raise damaged(path, "it has other areas than its record", REMOVE)
    return saved


def _kind(attribution: Attribution) -> tuple[object, ...]:
    """What all clips of a job have in common."""
    channels = attribution.values.shape[2]
    return channels, attribution.areas, attribution.signed, attribution.curves.keys()


def _joined(curves: Sequence[torch.Tensor]) -> torch.Tensor:
    """Of clips whose searches may have stopped in different batches, so of different lengths."""
    longest = max(curve.shape[-1] for curve in curves)
    padded = [
        torch.nn.functional.pad(curve, (0, longest - curve.shape[-1]), value=float("nan"))
        for curve in curves
    ]
    return torch.cat(padded, dim=1)
