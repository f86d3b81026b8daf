"""Does a process that explains one job after another grow? ``python scripts/soak.py``.

Small jobs through `videxplain.runner`, each with a seed and a folder of its own, in one process.
Every so many jobs: its memory (the resident set), its open files, its threads.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import open_dict
from tabulate import tabulate

from videxplain import catalog, config, runner

JOB = (
    *("data=shapes", "data.num_clips=1", "method=smooth_grad", "method.samples=2", "threads=1"),
    *("metrics=[visible_area,probability_kept]", "logger=none"),
)


@dataclass(frozen=True)
class Sample:
    """A process at one time.

    Attributes:
        jobs: That it has done.
        memory: Its resident set, MiB.
        files: That it has open.
        threads: That it has started, in Python and beneath.
    """

    jobs: int
    memory: float
    files: int
    threads: int


def main() -> None:
    """Do the jobs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--every", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        samples = soak(Path(folder), given.jobs, given.every)
    rows = [asdict(each) for each in samples]
    print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".1f"))


def soak(folder: Path, jobs: int, every: int) -> Sequence[Sample]:
    """What the process takes after the first job, and after every so many.

    Args:
        folder: Where results go.
        jobs: How many.
        every: How many between two samples.
    """
    samples = []
    for done, job in enumerate(_jobs(folder, jobs), start=1):
        runner.run(runner.prepare(job))
        if done == 1 or done % every == 0:
            samples.append(_sample(done))
    return samples


def _jobs(folder: Path, count: int) -> Iterator[Mapping[str, Any]]:
    with initialize_config_dir(str(catalog.conf_folder()), version_base="1.3"):
        composed = compose("config", [*JOB, f"outputs_dir={folder}"], return_hydra_config=True)
    choices = catalog.plain_values(composed.hydra.runtime.choices)
    with open_dict(composed):
        del composed["hydra"]
    for seed in range(count):
        composed.seed = seed
        yield config.complete(composed, choices)


def _sample(jobs: int) -> Sample:
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    return Sample(
        jobs=jobs,
        memory=int(status["VmRSS"].split()[0]) / 1024,
        files=sum(1 for _ in Path("/proc/self/fd").iterdir()),
        threads=int(status["Threads"]),
    )


if __name__ == "__main__":
    main()
