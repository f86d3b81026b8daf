"""Processes that are killed, and processes that do the same at once."""

import os
import random
import signal
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from tests.outputs import contents, records, results, summary
from tests.processes import ended, start, told, wait_until
from tests.test_sweep import check_whole

CLIPS = 6
JOB = (
    *("data=shapes", f"data.num_clips={CLIPS}", "batch_size=1", "method=smooth_grad", "threads=1"),
    *("metrics=[visible_area]", "logger=none", "report=false"),
)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """What an undisturbed run leaves."""
    folder = tmp_path_factory.mktemp("undisturbed")
    process = start(folder, *JOB)
    assert ended(process) == 0, told(folder, process)
    return contents(folder)


def test_a_run_killed_at_random_points_is_the_same_in_the_end(
    tmp_path: Path, expected: dict[str, list[bytes]]
) -> None:
    chance, finished = random.Random(8), dict[Path, int]()
    for _ in range(6):
        process = start(tmp_path, *JOB)
        wait_until(partial(_explains, tmp_path, process))
        process.join(chance.uniform(0, 0.4))
        process.kill()
        process.join()
        check_whole(tmp_path)
        kept = records(tmp_path)
        assert {path: kept.get(path) for path in finished} == finished, "lost, or computed twice"
        finished = kept
        if results(tmp_path):
            break
    process = start(tmp_path, *JOB)
    assert ended(process) == 0, told(tmp_path, process)
    assert {path: records(tmp_path)[path] for path in finished} == finished
    assert contents(tmp_path) == expected


def _explains(folder: Path, process: ForkServerProcess) -> bool:
    return "explaining" in told(folder, process)


def test_one_of_two_processes_computes(tmp_path: Path, expected: dict[str, list[bytes]]) -> None:
    both = [start(tmp_path, *JOB) for _ in range(2)]
    assert [ended(each) for each in both] == [0, 0]
    said = [told(tmp_path, each) for each in both]
    assert sorted("explaining" in each for each in said) == [False, True], said
    assert sorted("already done" in each for each in said) == [False, True], said
    check_whole(tmp_path)
    assert contents(tmp_path) == expected


def test_a_process_that_waits_goes_on_where_a_killed_one_stopped(
    tmp_path: Path, expected: dict[str, list[bytes]]
) -> None:
    first = start(tmp_path, *JOB)
    wait_until(lambda: records(tmp_path))
    os.kill(first.pid or 0, signal.SIGSTOP)
    finished = records(tmp_path)
    second = start(tmp_path, *JOB)
    wait_until(lambda: "another process does this job: waiting" in told(tmp_path, second))
    first.kill()
    first.join()
    assert ended(second) == 0, told(tmp_path, second)
    assert {path: records(tmp_path)[path] for path in finished} == finished
    assert contents(tmp_path) == expected


def test_two_sweeps_at_once_keep_two_accounts(
    tmp_path: Path, expected: dict[str, list[bytes]]
) -> None:
    both = [start(tmp_path, "-m", *JOB) for _ in range(2)]
    assert [ended(each) for each in both] == [0, 0], [told(tmp_path, each) for each in both]
    assert len(list(tmp_path.glob("outputs/sweeps/*/summary.csv"))) == 2
    assert [row["state"] for row in summary(tmp_path)] == ["done"]
    assert contents(tmp_path) == expected
