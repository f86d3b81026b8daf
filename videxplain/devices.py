"""Where networks run, and with how many threads."""

import ctypes
import multiprocessing
import platform
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any

import joblib
import torch
from torch import Tensor

from videxplain.errors import ConfigError

CHOICES = ("auto", "cuda", "cpu", "mps")
_DEVICE = re.compile(rf"{'|'.join(CHOICES)}|cuda:(0|[1-9]\d?)|(cpu|mps):0")
_WORKER = re.compile(r"LokyProcess-(\d+)")
"""Name of a process of joblib's, which numbers them from 1."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's malloc.h."""
_SIZES = (2**31 - 1, 32 << 20)
"""Bytes: the most that mallopt takes, and the most that it takes before glibc 2.35."""


def check_device(choice: str) -> None:
    """Refuse what is no device on any machine; a job may run on another one.

    Raises:
        ConfigError: With what there is.
    """
    if not _DEVICE.fullmatch(choice):
        message = f"device={choice}: choose {', '.join(CHOICES)}, or cuda:<number>"
        raise ConfigError(message)


def pick_device(choice: str) -> torch.device:
    """Turn a choice into a device that exists.

    Args:
        choice: ``cpu``, ``cuda`` (``cuda:1`` for the second), ``mps``, or ``auto`` for the first of
            cuda, mps and cpu that there is. Of several GPUs, worker processes take one each.

    Raises:
        ConfigError: If it is none of these, or not on this machine.
    """
    check_device(choice)
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if choice == "auto":
        choice = next(name for name, there in available.items() if there)
    kind, _, number = choice.partition(":")
    if not available[kind] or (kind == "cuda" and int(number or 0) >= torch.cuda.device_count()):
        message = f"device={choice}: this machine has none; use device=cpu or device=auto"
        raise ConfigError(message)
    worker = _WORKER.fullmatch(multiprocessing.current_process().name)
    if choice == "cuda" and worker:
        return torch.device(kind, (int(worker[1]) - 1) % torch.cuda.device_count())
    return torch.device(choice)


def in_float64(values: Tensor) -> Tensor:
    """The same numbers in float64; on the CPU where their device has none (MPS)."""
    return (values.cpu() if values.device.type == "mps" else values).double()


@contextmanager
def without_tf32() -> Iterator[None]:
    """Convolutions in full float32; by default cuDNN rounds what goes in to 10 bits (TF32)."""
    cudnn: Any = torch.backends.cudnn
    with ExitStack() as held:
        with suppress(RuntimeError):  # it cannot be read where PyTorch's newer flags differ
            held.enter_context(_holding(cudnn, "allow_tf32", False))
        conv = getattr(cudnn, "conv", None)
        if conv is not None and conv.fp32_precision == "tf32":  # by one of these
            held.enter_context(_holding(conv, "fp32_precision", "ieee"))
        yield


def without_cudnn() -> AbstractContextManager[None]:
    """By PyTorch's own code for all layers, which it can differentiate where cuDNN cannot."""
    return _holding(torch.backends.cudnn, "enabled", False)


def _holding(flags: object, name: str, value: object) -> AbstractContextManager[None]:
    """A context in which a flag has another value; it must be readable."""
    before = getattr(flags, name)

    @contextmanager
    def held() -> Iterator[None]:
        setattr(flags, name, value)
        try:
            yield
        finally:
            setattr(flags, name, before)

    return held()


def use_threads(wanted: int | None) -> None:
    """Set the number of CPU threads, for the whole process.

    Args:
        wanted: How many; None is PyTorch's choice, but no more than the cores that this process may
            use: PyTorch does not see the limits of a container or a batch system, and more threads
            than cores slow each other down.
    """
    allowed = wanted or min(torch.get_num_threads(), joblib.cpu_count())
    torch.set_num_threads(allowed)


def keep_freed_memory() -> None:
    """Let this process use freed memory again instead of handing it back and asking for more.

    By default glibc maps every block of 32 MiB or more anew, and the system clears each of its
    pages; the features of two clips are that large, and an iteration takes up to a third longer.
    Elsewhere than on glibc nothing is done.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    if any(mallopt(_M_MMAP_THRESHOLD, size) for size in _SIZES):
        mallopt(_M_TRIM_THRESHOLD, _SIZES[0])
