"""Where networks run, and with how many threads."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator

import joblib
import pytest
import torch
from torch.backends import cudnn

from videxplain.devices import pick_device, use_threads, without_cudnn, without_tf32


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


COUNT_FAULTS = """
import resource, torch
from videxplain.devices import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(10 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first, again = faults(), faults()
keep_freed_memory()
settled = [faults() for _ in range(5)][-1]
print(first, again, settled)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc only")
def test_freed_memory_is_used_again() -> None:
    command = [sys.executable, "-c", COUNT_FAULTS]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    _, before, after = map(int, printed.split())
    assert after < before / 100


def test_worker_processes_share_several_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert str(pick_device("auto")) == "cuda"
    chosen = joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(_chosen)() for _ in range(6))
    assert set(chosen) == {"cuda:0", "cuda:1"}


def _chosen() -> str:
    time.sleep(0.5)  # so that both processes get some
    torch.cuda.is_available = lambda: True
    torch.cuda.device_count = lambda: 2
    assert str(pick_device("cuda:1")) == "cuda:1"
    assert str(pick_device("cpu")) == "cpu"
    return str(pick_device("auto"))


NEW_FLAGS = {
    "of a kind of layer": 'cudnn.conv.fp32_precision = "tf32"; cudnn.rnn.fp32_precision = "ieee"',
    "of cuDNN": 'cudnn.fp32_precision = "tf32"; cudnn.allow_tf32 = False',
    "of all": 'torch.backends.fp32_precision = "tf32"; cudnn.allow_tf32 = False',
}
HELD = """
import torch
from torch.backends import cudnn
from videxplain.devices import without_tf32
{}
before = cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision
with without_tf32():
    print(cudnn.conv.fp32_precision)
print(before == (cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision))
"""


@pytest.mark.parametrize("allowed", [True, False])
def test_flags_are_put_back(monkeypatch: pytest.MonkeyPatch, *, allowed: bool) -> None:
    monkeypatch.setattr(cudnn, "allow_tf32", allowed)
    with without_tf32(), without_cudnn():
        assert (cudnn.allow_tf32, cudnn.enabled) == (False, False)
    assert (cudnn.allow_tf32, cudnn.enabled) == (allowed, True)
    with pytest.raises(KeyError), without_tf32():
        raise KeyError
    assert cudnn.allow_tf32 == allowed


@pytest.mark.skipif(not hasattr(cudnn, "conv"), reason="PyTorch before 2.9")
@pytest.mark.parametrize("flags", NEW_FLAGS)
def test_newer_flags_are_heeded_and_put_back(flags: str) -> None:
    """Once set, they cannot be unset: another process."""
    command = [sys.executable, "-c", HELD.format(NEW_FLAGS[flags])]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    assert ran.stdout.split() == ["ieee", "True"]
