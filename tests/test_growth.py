"""What a sweep costs besides its explanations, as it grows."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.outputs import results
from videxplain.report.summary import write_summary

NETWORK = """
import torch

class Net(torch.nn.Module):
    def forward(self, frames):
        return frames.mean((2, 3, 4)) @ torch.ones(3, 4)

def build(number):
    return Net()
"""
TRIVIAL = (
    *("plugins=[own_network]", "model=custom", "model.net._target_=own_network.build"),
    *("model.frames=4", "model.size=[32,32]", "target=predicted", "data=shapes", "threads=1"),
    *("data.num_clips=1", "method=random", "metrics=[visible_area]", "logger=none"),
)


def overhead(folder: Path, jobs: int) -> float:
    """Seconds of a sweep that no clip was being explained in."""
    folder.mkdir()
    (folder / "own_network.py").write_text(NETWORK)
    numbers = ",".join(map(str, range(jobs)))
    command = [sys.executable, "-m", "videxplain", "-m", *TRIVIAL, f"+model.net.number={numbers}"]
    environment = {**os.environ, "PYTHONPATH": f"{Path(__file__).parents[1]}{os.pathsep}{folder}"}
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    whole = time.perf_counter() - start
    finished = results(folder)
    assert len(finished) == jobs
    timings = [json.loads(path.read_text())["timings"] for path in finished]
    explaining: list[float] = [each["explain"] for each in timings]
    return whole - sum(explaining)


@pytest.mark.slow
def test_the_overhead_of_a_job_does_not_grow(tmp_path: Path) -> None:
    sizes = (1, 10, 100, 1000)
    taken = [overhead(tmp_path / str(size), size) for size in sizes]
    each = [
        (after - before) / (more - fewer)
        for before, after, fewer, more in zip(taken, taken[1:], sizes, sizes[1:], strict=False)
    ]
    assert max(each) < 0.3, each
    assert each[2] < 1.5 * each[1], each


@pytest.mark.slow
def test_ten_thousand_jobs_are_summarised(tmp_path: Path) -> None:
    overhead(tmp_path / "sweep", 1)
    outputs = tmp_path / "sweep" / "outputs"
    (result,) = results(tmp_path / "sweep")
    (sweep,) = outputs.glob("sweeps/*")
    (asked,) = json.loads((sweep / "jobs.json").read_text())
    state = json.loads((sweep / "jobs" / "0.json").read_text())
    for number in range(1, 10_000):
        copy = result.parent.with_name(f"{number:012x}")
        copy.mkdir()
        shutil.copy(result, copy)
        told = json.dumps({**state, "folder": str(copy)})
        (sweep / "jobs" / f"{number}.json").write_text(told)
    (sweep / "jobs.json").write_text(json.dumps([asked] * 10_000))
    for folder in (sweep, outputs):
        start = time.perf_counter()
        path = write_summary(folder)
        taken = time.perf_counter() - start
        assert taken < 30
        assert path.read_text().count("\n") == 10_001
