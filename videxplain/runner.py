"""One model, one method, one data source: explain, measure, keep; nothing is done twice."""

import logging
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

from videxplain import chunks, config, parts, targets
from videxplain.accounts import join_group, status, versions
from videxplain.chunks import told_once
from videxplain.devices import keep_freed_memory, pick_device, use_threads
from videxplain.errors import ConfigError, DataError, UnsupportedPairError
from videxplain.explaining import explain_all, tell_moving
from videxplain.job import Job, Result
from videxplain.measures import declared
from videxplain.models.build import random_net
from videxplain.models.classifier import VideoClassifier
from videxplain.paths import given_path
from videxplain.root_keys import canonical
from videxplain.sinks import places
from videxplain.sinks.disk import DiskSink
from videxplain.sinks.files import check_writable, write_json
from videxplain.types import (
    Choosy,
    Explainer,
    Logger,
    Record,
    Sink,
    Video,
)
from videxplain.words import counted, first_of

log = logging.getLogger(__name__)

_last_classifier: tuple[str, VideoClassifier] | None = None
"""The last network loaded, so that the jobs of a sweep share it."""


def prepare(completed: Mapping[str, Any], plugins: Sequence[str] = ()) -> Job:
    """Build and check every part; whatever is wrong with a job is told here.

    Args:
        completed: A configuration from `videxplain.config.complete`.
        plugins: Packages of the user's that the configuration may name.

    Raises:
        VidexplainError: For any mistake of the user's.
    """
    use_threads(completed["threads"])
    keep_freed_memory()
    method: Explainer = parts.make("method", completed["method"], plugins)
    metrics = parts.make("metrics", completed.get("metrics", {}), plugins)
    logger: Logger | None = parts.make("logger", completed["logger"], plugins)
    outputs = given_path(completed["outputs_dir"])
    check_writable(outputs)
    videos = parts.make("data", completed["data"], plugins)
    check_names(videos)
    start = time.perf_counter()
    classifier = _load(completed, plugins)
    seconds = time.perf_counter() - start
    if isinstance(method, Choosy):
        method.check(classifier)
    check_target(completed["target"], classifier, videos)
    folder = config.job_folder(completed, classifier.weights_sha256)
    by = "{method}, {model}".format_map(completed["choices"])
    sink = DiskSink(outputs, folder, completed["polarity"], config.shard(completed), by)
    measures = list(metrics.values())
    return Job(completed, classifier, method, measures, videos, sink, logger, seconds)


def skip(completed: Mapping[str, Any], reason: str) -> None:
    """Keep that a job makes no sense, and why.

    Args:
        completed: A configuration from `videxplain.config.complete`.
        reason: One sentence.

    Raises:
        OutputError: If it cannot be written.
    """
    folder = config.job_folder(completed, weights_sha256="")
    join_group(completed, folder)
    skipped = {"state": "skipped", "reason": reason, "config": dict(completed), "records": []}
    write_json(folder / places.RESULT, {"format": config.FORMAT, **skipped})


def run(job: Job, sweep: str | None = None) -> Result:
    """Explain every clip that has no record yet, and keep each batch as soon as it is done.

    A clip that cannot be explained is left out, and told in the end. A process that finds another
    one at the same job waits for it, and goes on from there.

    Args:
        job: What to do.
        sweep: Name of the sweep that it belongs to, for the logger.

    Raises:
        VidexplainError: If a clip cannot be read or a result not written; what is done stays.
    """
    join_group(job.config, job.sink.folder)
    with job.sink.alone():
        return _run(job, sweep)


def _run(job: Job, sweep: str | None) -> Result:
    folder, account, overwrite = job.sink.folder, job.sink.account, bool(job.config["overwrite"])
    finished = None if overwrite else job.kept(job.videos)
    closed = job.sink.closed([video.name for video in job.videos])
    if closed is not None and finished is not None:
        log.info(
            "already done, by the names of its clips: %s (overwrite=true computes it again)", closed
        )
        return Result(folder, closed, finished)
    job.sink.reopen(overwrite=overwrite)
    with status(account), told_once(chunks.log, targets.log), _sinks(job, sweep) as sinks:
        _announce(job, overwrite=overwrite)
        start = time.perf_counter()
        records = explain_all(job, sinks)
        if config.searched_areas(job.config):
            moving = sum(math.isnan(each.metrics.get("converged_at", 0.0)) for each in records)
            tell_moving(moving, len(records))
        seconds = {"load": job.load_seconds, "explain": time.perf_counter() - start}
        outcome = _outcome(job, records, seconds)
        for sink in sinks:
            sink.close(outcome)
    return Result(folder, account, records)


def _announce(job: Job, *, overwrite: bool) -> None:
    """Say what is done, and for which clips the prediction is explained."""
    done = sum(places.record(job.sink.folder, video.name).is_file() for video in job.videos)
    log.info(
        "explaining %s with %s, %s on %s%s",
        *(counted(len(job.videos), "clip"), job.choice("method")),
        *(job.choice("model"), job.classifier.device),
        f"; {done} of them there already" if done and not overwrite else "",
    )
    unlabelled = [video.name for video in job.videos if video.label is None]
    if unlabelled and job.config["target"] == "label":
        rest = "has no label: its prediction is explained"
        if len(unlabelled) > 1:
            rest = "have no label: their predictions are explained"
        log.info("%s %s", first_of(unlabelled), rest)


def _load(completed: Mapping[str, Any], plugins: Sequence[str]) -> VideoClassifier:
    global _last_classifier
    key = canonical([completed[each] for each in ("model", "device", "precision")])
    if _last_classifier is None or _last_classifier[0] != key:
        device = pick_device(completed["device"])
        _last_classifier = None  # free the last one before the next is made
        build = partial(parts.make, "model", completed["model"], plugins)
        classifier: VideoClassifier = random_net(build).to(device)
        classifier.precision = completed["precision"]
        _last_classifier = (key, classifier)
    return _last_classifier[1]


def check_names(videos: Sequence[Video]) -> None:
    """Refuse two clips of one name, under which results are kept.

    Raises:
        ConfigError: If there are some, as a data source of the user's own may give.
    """
    counts = Counter(video.name for video in videos)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        message = f"several clips are named {first_of(repeated)}: give each a name of its own"
        raise ConfigError(message)


def check_target(target: str | int, classifier: VideoClassifier, videos: Sequence[Video]) -> None:
    """Tell a wrong label or class before anything is computed.

    Raises:
        ConfigError: If the class explained does not exist.
        DataError: If a video's own class is none of the network's.
        UnsupportedPairError: If this is so for all videos that have one.
    """
    if target == "label":
        _check_labels(classifier, [video for video in videos if video.label is not None])
    elif target != "predicted":
        classifier.class_index(target)


def _check_labels(classifier: VideoClassifier, videos: Sequence[Video]) -> None:
    """One wrong label is a mistake; no right one says that data and model do not fit."""
    wrong = [each for each in videos if targets.find_label(each, classifier.class_names) is None]
    try:
        for video in wrong[:1]:
            classifier.label_index(video)
    except DataError as error:
        if len(wrong) < len(videos):
            raise
        raise UnsupportedPairError(str(error)) from error


def _outcome(job: Job, records: Sequence[Record], seconds: dict[str, float]) -> dict[str, object]:
    return {
        "format": config.FORMAT,
        "state": "done",
        "reason": None,
        "config": dict(job.config),
        "command": list(job.command),
        "versions": versions(),
        "device": str(job.classifier.device),
        "seed": job.config["seed"],
        "weights_sha256": job.classifier.weights_sha256,
        "measures": {metric.name: declared(metric) for metric in job.metrics},
        "timings": seconds,
        "records": [asdict(record) for record in records],
    }


@contextmanager
def _sinks(job: Job, sweep: str | None) -> Iterator[list[Sink]]:
    """The disk first; a logger's run ends with the job, however that ends."""
    if job.logger is None:
        yield [job.sink]
        return
    group = job.config["save_label"] or sweep
    logged = job.logger.start(job.sink.folder, job.config, group)
    try:
        yield [job.sink, logged]
    except BaseException:
        logged.end(failed=True)
        raise
    logged.end(failed=False)
