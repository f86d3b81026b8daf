"""Where networks run, and with how many threads."""

import os
from collections.abc import Iterator

import joblib
import pytest
import torch

from videxplain.devices import use_threads


@pytest.fixture(autouse=True)
def _threads_back() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_the_number_asked_for_is_taken() -> None:
    use_threads(1)
    assert torch.get_num_threads() == 1


def test_no_more_threads_than_cores_to_use() -> None:
    torch.set_num_threads(joblib.cpu_count() + 3)
    use_threads(None)
    assert torch.get_num_threads() == joblib.cpu_count()
    torch.set_num_threads(1)
    use_threads(None)
    assert torch.get_num_threads() == 1, "OMP_NUM_THREADS and the like are heeded"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_a_process_bound_to_one_core_takes_one_thread() -> None:
    cores = os.sched_getaffinity(0)
    torch.set_num_threads(2)
    try:
        os.sched_setaffinity(0, {min(cores)})
        use_threads(None)
        assert torch.get_num_threads() == 1
    finally:
        os.sched_setaffinity(0, cores)
