"""A job whose parts are built, and what it leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videxplain.measures import Check, Metric
from videxplain.models.classifier import VideoClassifier
from videxplain.sinks.disk import DiskSink
from videxplain.types import Explainer, Logger, Record, Video


@dataclass(frozen=True)
class Job:
    """The parts of a job, built and checked; nothing is computed yet.

    Attributes:
        config: The completed configuration.
        classifier: The network.
        method: What explains.
        metrics: What measures.
        videos: What is explained.
        sink: Where results go.
        logger: Where they go besides, None for nowhere.
        load_seconds: What loading the network took.
        command: What asked for it, as typed; empty from Python.
    """

    config: Mapping[str, Any]
    classifier: VideoClassifier
    method: Explainer
    metrics: Sequence[Metric | Check]
    videos: Sequence[Video]
    sink: DiskSink
    logger: Logger | None
    load_seconds: float
    command: Sequence[str] = ()

    def choice(self, group: str) -> str:
        """The name chosen in a group."""
        return str(self.config["choices"][group])

    def kept(self, videos: Sequence[Video]) -> list[Record] | None:
        """Records of videos that are finished, by the job's own metrics; else None."""
        names = [metric.name for metric in self.metrics]
        rows = [self.sink.records(video.name, names) for video in videos]
        if None in rows:
            return None
        return [record.measured_by(names) for clip in rows for record in clip or ()]


@dataclass(frozen=True)
class Result:
    """What a job left.

    Attributes:
        folder: Of the job.
        account: Where its result.json is; not the folder where it explained only a share.
        records: One a clip and area, in the order of the clips.
    """

    folder: Path
    account: Path
    records: Sequence[Record]
