"""A process that explains one job after another does not grow."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_two_hundred_jobs_leave_a_process_as_it_was() -> None:
    command = [sys.executable, "scripts/soak.py", "--jobs", "200", "--every", "50"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    lines = [line.split("|")[1:-1] for line in done.stdout.splitlines()]
    heads, _, *rows = [[cell.strip() for cell in line] for line in lines]
    assert heads == ["jobs", "memory", "files", "threads"]
    assert [int(row[0]) for row in rows] == [1, 50, 100, 150, 200]
    memory, files, threads = zip(*([float(cell) for cell in row[1:]] for row in rows), strict=True)
    assert memory[-1] - memory[1] < 20, "MiB, after what the first jobs load"
    assert files[-1] <= files[1]
    assert threads[-1] <= threads[1]
