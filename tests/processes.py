"""Commands in processes of their own, forked from one that has imported the package already."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path

SERVER = multiprocessing.get_context("forkserver")
_IMPORTED = ("cli", "runner", "planning", "models.tiny", "methods.smooth_grad", "report.site")
SERVER.set_forkserver_preload(["tests.processes", *(f"videxplain.{each}" for each in _IMPORTED)])
_TOLD = "told {}"
_PATIENCE = 60
"""Seconds after which a test gives up."""


def start(folder: Path, *arguments: str, **environment: str) -> ForkServerProcess:
    """Start the command ``videxplain`` in a folder; `told` is what it says."""
    folder.mkdir(exist_ok=True)
    process = SERVER.Process(target=_run, args=(folder, arguments, environment), daemon=True)
    process.start()
    return process


def ended(process: ForkServerProcess) -> int | None:
    """The exit code, once there is one."""
    process.join(_PATIENCE)
    return process.exitcode


def told(folder: Path, process: ForkServerProcess) -> str:
    """What a process has said up to now."""
    path = folder / _TOLD.format(process.pid)
    return path.read_text() if path.is_file() else ""


def wait_until(happened: Callable[[], object]) -> None:
    """Look again and again."""
    end = time.monotonic() + _PATIENCE
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def _run(folder: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
    from videxplain import cli

    os.environ.pop("WANDB_SERVICE", None)  # that of the tests' own process
    os.environ.update(environment)
    os.chdir(folder)
    said = os.open(_TOLD.format(os.getpid()), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.argv = ["videxplain", *arguments]
    cli.main()
