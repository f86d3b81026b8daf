"""Results in Weights & Biases: curves, masks, animations, a table; what is on disk is the truth."""

import logging
import math
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial, wraps
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from queue import SimpleQueue
from statistics import mean  # fmean adds up first, which may be too much for a float
from typing import Any, Concatenate, Literal, ParamSpec

import numpy as np
from pydantic import PositiveInt
from pydantic.dataclasses import dataclass

from videxplain.figures import kept_part, overlay, pictures
from videxplain.panels import spread
from videxplain.sinks.files import clip_slug
from videxplain.sinks.places import archives
from videxplain.types import Attribution, Clips, Record
from videxplain.words import Polarity

log = logging.getLogger(__name__)

_FRAMES = 8
"""Frames of a clip that are logged with their masks; the animation has all of them."""
_CLASSES = {0: "the rest", 1: "kept"}
_LONGEST_TAG = 64
_MOST_WAITING = 2
"""Calls that may wait for the thread; a batch's clips and masks are held until it is logged."""
_PATIENCE = 10
"""Seconds that a job which failed, or was stopped, waits in all for what is still to be logged."""
_P = ParamSpec("_P")


@dataclass(frozen=True)
class Wandb:
    """How jobs are logged to Weights & Biases.

    Attributes:
        project: Its name there.
        entity: User or team; None is the one logged in.
        mode: ``offline`` writes a folder to upload later, ``online`` uploads at once.
        tags: Beside the names of model, data set and method.
        attributions: Whether the arrays are uploaded too, as an artifact.
        init_timeout: Seconds after which ``online`` gives up and goes on offline.
    """

    project: str = "videxplain"
    entity: str | None = None
    mode: Literal["offline", "online"] = "offline"
    tags: Sequence[str] = ()
    attributions: bool = False
    init_timeout: PositiveInt = 10

    def start(self, folder: Path, config: Mapping[str, Any], group: str | None) -> "WandbRun":
        """Begin the run of a job.

        Args:
            folder: Of the job.
            config: The completed configuration.
            group: The sweep that the job belongs to.
        """
        run = WandbRun(folder, config["polarity"], attributions=self.attributions)
        run.begin(self, self._described(folder, config, group))
        return run

    def _described(
        self, folder: Path, config: Mapping[str, Any], group: str | None
    ) -> dict[str, Any]:
        model, method = (str(config["choices"][each]) for each in ("model", "method"))
        dataset = config["pretrain_dataset"]["name"]
        return {
            "project": self.project,
            "entity": self.entity,
            "dir": str(folder.absolute()),  # W&B's own process may stand in another folder
            "group": group,
            "job_type": method,
            "name": f"{model}-{method}-{folder.name}",
            "tags": [str(tag)[:_LONGEST_TAG] for tag in (model, dataset, method, *self.tags)],
            "config": dict(config),
            "reinit": "create_new",
        }


def _in_thread(
    method: Callable[Concatenate["WandbRun", _P], None],
) -> Callable[Concatenate["WandbRun", _P], None]:
    """Done by the run's own thread, one call after the other, while the job goes on."""

    @wraps(method)
    def call(self: "WandbRun", /, *arguments: _P.args, **named: _P.kwargs) -> None:
        self.hand_over(partial(method, self, *arguments, **named))

    return call


class WandbRun:
    """The run of a job, logged beside it; whatever fails is said, and the job goes on.

    Args:
        folder: Of the job.
        polarity: How pictures reduce signed values.
        attributions: Whether the arrays are uploaded too.
    """

    def __init__(self, folder: Path, polarity: Polarity, *, attributions: bool) -> None:
        self.broken = False
        self._folder, self._polarity, self._attributions = folder, polarity, attributions
        self._records: list[Record] = []
        self._run: Any = None
        self._failed = False
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._room = threading.Semaphore(_MOST_WAITING)
        # a daemon: if W&B hangs, the command can be stopped all the same
        self._thread = threading.Thread(target=self._work, name="wandb", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        for call in iter(self._calls.get, None):
            self._room.release()
            if not self.broken:
                try:
                    call()
                except BaseException as error:  # the thread must live on
                    self._break(error)
        self._finish()

    def _break(self, error: BaseException) -> None:
        """Nothing that W&B does may break a job: an error is said, and nothing logged after it."""
        if not self.broken:
            self.broken = True
            log.warning("W&B logs no more of this job (%s)", _line(error))

    def hand_over(self, call: Callable[[], None]) -> None:
        """Let the run's thread make a call; wait only if it has fallen behind."""
        if not self.broken:
            self._room.acquire()
            self._calls.put(call)

    @_in_thread
    def begin(self, how: Wandb, described: Mapping[str, Any]) -> None:
        """Open the run, offline where the server cannot be reached."""
        import wandb

        self._folder.mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(
            console="off", silent=True, x_disable_stats=True, init_timeout=how.init_timeout
        )
        if how.mode == "online":
            try:
                self._run = wandb.init(**described, mode="online", settings=settings)
            except (wandb.errors.CommError, wandb.errors.UsageError) as error:
                log.warning("W&B cannot be reached (%s): logging offline", _line(error))
        if self._run is None:
            self._run = wandb.init(**described, mode="offline", settings=settings)

    def write(self, records: Sequence[Record], clips: Clips, attribution: Attribution) -> None:
        """Log a batch: for each clip and area its curves, masks and animation."""
        if self.broken:
            return
        try:
            held = _on_cpu(clips, attribution)
        except Exception as error:  # too little memory, above all: the job may have enough
            self._break(error)
        else:
            self._write(records, *held)

    @_in_thread
    def _write(self, records: Sequence[Record], clips: Clips, attribution: Attribution) -> None:
        places: dict[str, tuple[int, int]] = {}
        for index, (clip, own) in enumerate(groupby(records, attrgetter("clip"))):
            explained = islice(own, len(attribution.values))  # a map's cuts follow
            for area, record in enumerate(explained):
                name = clip_slug(clip)
                name += "" if record.area is None else f"/area {record.area}"
                places[name] = (index, area)
        self._log_curves(attribution, places)
        for name, place in places.items():
            self._log_pictures(name, clips, attribution, *place)
        self._records.extend(records)

    @_in_thread
    def close(self, outcome: Mapping[str, object]) -> None:
        """Log a table with a row for each clip and area, and means to sort by."""
        import wandb

        metrics = list(self._records[0].metrics) if self._records else []
        columns = ["clip", "area", "label", "target", "prediction", "probability"]
        rows = [
            [*(getattr(each, column) for column in columns), *each.metrics.values()]
            for each in self._records
        ]
        self._run.log({"records": wandb.Table([*columns, *metrics], rows)})
        for metric in metrics:
            values = [each.metrics[metric] for each in self._records]
            known = [value for value in values if math.isfinite(value)]
            self._run.summary[metric] = mean(known) if known else None
        self._run.summary["state"] = outcome["state"]
        if self._attributions:
            artifact = wandb.Artifact(self._run.name, type="attributions")
            for path in archives(self._folder):
                artifact.add_file(str(path))
            self._run.log_artifact(artifact)

    def end(self, *, failed: bool) -> None:
        """End the run, with the exit code 1 if the job failed; one that broke is ended too."""
        self._failed = failed
        self._calls.put(None)
        self._thread.join(_PATIENCE if failed else None)
        if self._thread.is_alive():
            self._break(TimeoutError("it is still busy"))

    def _finish(self) -> None:
        if self._run is None:
            return
        try:
            self._finish_run()
        except Exception as error:
            self._break(error)

    def _finish_run(self) -> None:
        folder = Path(self._run.dir).parent
        self._run.finish(exit_code=int(self._failed))
        if folder.name.startswith("offline-"):
            log.info("W&B: to upload, wandb sync %s", folder)

    def _log_curves(self, attribution: Attribution, places: Mapping[str, tuple[int, int]]) -> None:
        """Each against its own iterations, up to an early stop; a row holds those of the batch."""
        if not attribution.curves:
            return
        rows: defaultdict[int, dict[str, float]] = defaultdict(dict)
        for name, (index, area) in places.items():
            curves = {key: curve[area, index].tolist() for key, curve in attribution.curves.items()}
            axis = f"curves/{name}/iteration"
            self._run.define_metric(axis)
            # W&B would fill in the axes itself, with wrong numbers where a row has several
            self._run.define_metric(f"curves/{name}/*", step_metric=axis, step_sync=False)
            for iteration, values in enumerate(zip(*curves.values(), strict=True)):
                known = {
                    f"curves/{name}/{key}": value
                    for key, value in zip(curves, values, strict=True)
                    if not math.isnan(value)
                }
                if known:
                    rows[iteration] |= {axis: iteration, **known}
        for row in rows.values():
            self._run.log(row)

    def _log_pictures(
        self, name: str, clips: Clips, attribution: Attribution, index: int, area: int
    ) -> None:
        import wandb

        frames = pictures(clips, index)
        kept = kept_part(attribution, index, area, self._polarity)
        images = [
            wandb.Image(
                frames[t],
                caption=f"frame {t + 1}",
                masks={"kept": {"mask_data": kept[t].astype(np.uint8), "class_labels": _CLASSES}},
            )
            for t in spread(len(frames), _FRAMES)
        ]
        figure = overlay(clips, attribution, clip=index, area=area, polarity=self._polarity)
        with tempfile.TemporaryDirectory() as folder:
            animation = Path(folder) / "animation.gif"
            figure.save(animation)
            video = wandb.Video(str(animation), format="gif")
            self._run.log({f"masks/{name}": images, f"animations/{name}": video})


def _on_cpu(clips: Clips, attribution: Attribution) -> tuple[Clips, Attribution]:
    """What waits to be logged takes none of the device's memory."""
    moved = replace(
        attribution,
        values=attribution.values.cpu(),
        target=attribution.target.cpu(),
        curves={name: curve.cpu() for name, curve in attribution.curves.items()},
    )
    return Clips(clips.frames.cpu(), names=clips.names, pixels=clips.pixels), moved


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
