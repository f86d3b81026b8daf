"""What logging to Weights & Biases costs a job. ``python scripts/measure_wandb.py model=tiny_tsm``.

A job on ``shapes`` (videos are decoded in processes, which would be counted as W&B's), with the
keys given and ``logger=wandb``, offline. Printed: the seconds that it takes; the seconds in which
it waits for the logger; the CPU time of the logger's thread (without helpers that a library may
start for it) and of W&B's own processes, which is taken from the job only where no core is idle.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from videxplain import runner
from videxplain.sinks.wandb import Wandb, WandbRun

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.commands import completed

CALLS = ((Wandb, "start"), (WandbRun, "write"), (WandbRun, "close"), (WandbRun, "end"))
"""All that a job waits for."""


def main() -> None:
    """Do the job and print a line."""
    waited = [_timed(owner, name, time.perf_counter) for owner, name in CALLS]
    worked = [_timed(WandbRun, "_work", time.thread_time)]
    with tempfile.TemporaryDirectory() as folder:
        given = (f"outputs_dir={folder}", "data=shapes", "logger=wandb")
        job = runner.prepare(completed([*sys.argv[1:], *given]))
        start = time.perf_counter()
        runner.run(job)
        seconds = time.perf_counter() - start
        import wandb  # a job's thread has imported it, which is part of what is measured

        wandb.teardown()  # its process ends, and is counted
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    waiting, thread = (sum(map(sum, each)) for each in (waited, worked))
    processes = children.ru_utime + children.ru_stime
    print(
        f"job {seconds:.2f} s; waits for the logger {waiting:.2f} s ({waiting / seconds:.2%}); "
        f"CPU time of its thread {thread:.2f} s, of W&B's processes {processes:.2f} s "
        f"({(thread + processes) / seconds:.2%})"
    )


def _timed(owner: type, name: str, clock: Callable[[], float]) -> list[float]:
    """A list to which every call adds what it takes."""
    taken: list[float] = []
    call: Callable[..., Any] = getattr(owner, name)

    def timed(*given: Any, **named: Any) -> Any:  # noqa: ANN401
        start = clock()
        try:
            return call(*given, **named)
        finally:
            taken.append(clock() - start)

    setattr(owner, name, timed)
    return taken


if __name__ == "__main__":
    main()
