"""What a sweep would do, and about how long it would take."""

import time
from collections.abc import Sequence
from functools import cache

import torch
from tabulate import tabulate

from videxplain.devices import pick_device, use_threads
from videxplain.models.classifier import VideoClassifier
from videxplain.planning import Plan, Planned
from videxplain.words import Precision, counted

_MINUTE, _HOUR = 60, 3600
_WRITTEN = 10  # from here on, whole numbers
_TIMED_BY = ("device", "precision", "threads")
_COLUMNS = ("model", "method", "clips", "forward", "backward", "time", "job")


def describe(plan: Plan) -> str:
    """A table of the jobs, with passes through the network and their time, and what is not run.

    The time is that of the passes alone, of which one is timed for each network on each
    device, in each precision: early stops make a job shorter; loading, pictures and logging make it
    longer.

    Args:
        plan: Of a sweep.
    """
    times = _times(plan.jobs)
    rows = [
        [
            _chosen(job, "model"),
            _chosen(job, "method"),
            job.clips,
            *job.cost,
            duration(each),
            job,
        ]
        for job, each in zip(plan.jobs, times, strict=True)
    ]
    lines = [tabulate(rows, _COLUMNS, disable_numparse=True)] if rows else []
    lines += [f"skipped: {job}: {reason}" for job, reason in plan.skipped]
    lines += [f"the same job as {first}: {job}" for job, first in plan.merged]
    lines.append(
        f"{counted(len(rows), 'job')}, about {duration(sum(times))} one after the other for passes "
        "through the networks; loading, pictures and logging come on top"
    )
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """To be read, such as ``3 min``.

    Args:
        seconds: At least 0.
    """
    units = (("h", _HOUR), ("min", _MINUTE), ("s", 1))
    unit, size = next((each for each in units if seconds >= each[1]), units[-1])
    value = seconds / size
    return f"{value:.0f} {unit}" if value >= _WRITTEN else f"{value:.2g} {unit}"


def _chosen(job: Planned, group: str) -> str:
    return str(job.config["choices"][group])


def _times(jobs: Sequence[Planned]) -> list[float]:
    seconds = cache(_seconds)
    return [
        sum(job.cost) / 2 * seconds(job.classifier, *(job.config[key] for key in _TIMED_BY))
        for job in jobs
        if job.classifier
    ]


def _seconds(
    classifier: VideoClassifier, device: str, precision: Precision, threads: int | None
) -> float:
    """Of a forward and a backward pass; the first one, which prepares, does not count."""
    use_threads(threads)
    classifier.to(pick_device(device)).precision = precision
    frames = torch.zeros(1, 3, classifier.frames, *classifier.size, device=classifier.device)

    def run() -> float:
        start = time.perf_counter()
        seen = frames.clone().requires_grad_()
        torch.autograd.grad(classifier(seen).sum(), seen)[0].sum().item()  # waits for the device
        return time.perf_counter() - start

    run()
    return run()
