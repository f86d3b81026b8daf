"""What a sweep would do, and about how long it would take."""

import time
from collections.abc import Sequence

import torch
from tabulate import tabulate

from videxplain.devices import pick_device, use_threads
from videxplain.models.classifier import VideoClassifier
from videxplain.planning import Plan, Planned
from videxplain.words import counted

_HOUR = 3600
_COLUMNS = ("model", "method", "clips", "forward", "backward", "hours", "job")


def describe(plan: Plan) -> str:
    """A table of the jobs, with passes through the network and hours, and what is not run.

    Hours are those of the passes alone, of which one is timed for each network: early stops make
    a job shorter, metrics and pictures longer.

    Args:
        plan: Of a sweep.
    """
    hours = _hours(plan.jobs)
    rows = [
        [_chosen(job, "model"), _chosen(job, "method"), job.clips, *job.cost, f"{each:.3g}", job]
        for job, each in zip(plan.jobs, hours, strict=True)
    ]
    lines = [tabulate(rows, _COLUMNS, disable_numparse=True)] if rows else []
    lines += [f"skipped: {job}: {reason}" for job, reason in plan.skipped]
    lines += [f"the same job as {first}: {job}" for job, first in plan.merged]
    lines.append(f"{counted(len(rows), 'job')}, about {sum(hours):.3g} hours one after the other")
    return "\n".join(lines)


def _chosen(job: Planned, group: str) -> str:
    return str(job.config["choices"][group])


def _hours(jobs: Sequence[Planned]) -> list[float]:
    timed: dict[VideoClassifier, float] = {}
    for job in jobs:
        if job.classifier is not None and job.classifier not in timed:
            use_threads(job.config["threads"])
            timed[job.classifier] = _seconds(job.classifier, str(job.config["device"]))
    return [sum(job.cost) / 2 * timed[job.classifier] / _HOUR for job in jobs if job.classifier]


def _seconds(classifier: VideoClassifier, device: str) -> float:
    """Of a forward and a backward pass; the first one, which prepares, does not count."""
    classifier.to(pick_device(device))
    frames = torch.zeros(1, 3, classifier.frames, *classifier.size, device=classifier.device)

    def run() -> float:
        start = time.perf_counter()
        seen = frames.clone().requires_grad_()
        torch.autograd.grad(classifier(seen).sum(), seen)[0].sum().item()  # waits for the device
        return time.perf_counter() - start

    run()
    return run()
