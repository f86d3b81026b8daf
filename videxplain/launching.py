"""Jobs handed to one of Hydra's launchers, and what became of those that kept no account."""

import logging
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher

from videxplain.sinks.sweep_folder import JobState, SweepFolder

log = logging.getLogger(__name__)

_GRACE = 30.0
"""Seconds that a job may take to start after another one, once its launcher has given up."""
_STOPS = (signal.SIGINT, signal.SIGTERM)


def launch(
    launcher: Launcher, jobs: Sequence[Sequence[str]], folder: SweepFolder
) -> dict[int, Exception]:
    """Run the jobs; SIGTERM ends them as Ctrl+C does, so that a summary can be written.

    Args:
        launcher: Hydra's.
        jobs: Overrides of each.
        folder: Where the jobs keep account of themselves.

    Returns:
        Of those that did not start why, where that is known, by their numbers.

    Raises:
        KeyboardInterrupt: If a signal asked to stop.
    """
    if not jobs:
        return {}
    with _stoppable() as asked:
        try:
            returned = launcher.launch(jobs, initial_job_idx=0)
        except Exception as error:  # each launcher has its own for a worker that died
            if asked:  # libraries turn an interrupt into errors of theirs at times
                raise KeyboardInterrupt from error
            return _given_up(error, jobs, folder)
    if asked:
        raise KeyboardInterrupt
    return _unaccounted(returned, folder)


def _given_up(
    error: Exception, jobs: Sequence[Sequence[str]], folder: SweepFolder
) -> dict[int, Exception]:
    log.warning("the launcher stopped (%r): waiting for the jobs that it started", error)
    _wait_for_others(folder)
    waiting = _pending(folder)
    return dict.fromkeys(waiting, error) if len(waiting) == len(jobs) else {}


def _unaccounted(returned: Sequence[JobReturn], folder: SweepFolder) -> dict[int, Exception]:
    """What went wrong before a job could keep account of itself."""
    wrong: dict[int, Exception] = {}
    for number in _pending(folder):
        try:
            _ = returned[number].return_value
        except Exception as error:  # whatever it was
            log.warning("job %d did not start (%r)", number, error)
            wrong[number] = error
    return wrong


def _pending(folder: SweepFolder) -> list[int]:
    return [number for number, each in folder.states().items() if each.state == "pending"]


def _wait_for_others(folder: SweepFolder) -> None:
    """Launchers may give up when one process dies; the other jobs that they started go on."""
    last_seen = time.monotonic()
    while time.monotonic() - last_seen < _GRACE:
        states = {each.state for each in folder.states().values()}
        if "running" in states:
            last_seen = time.monotonic()
        elif "pending" not in states or states == {"pending"}:
            return  # all have ended, or none began
        time.sleep(1)


def refused(launcher: str, error: Exception) -> str:
    """Why a job did not start, in words.

    Args:
        launcher: Its name.
        error: What it said.
    """
    told = " ".join(str(error).split()) or repr(error)
    return (
        f"hydra/launcher={launcher} could not start it ({told}), "
        "its settings are hydra.launcher.<key>=<value>"
    )


def how(state: JobState) -> str:
    """What is known of a job that is not done, in words."""
    if state.state == "failed":
        return str(state.error)
    told = {
        "pending": "it has not started (if it is still queued on a cluster, wait for it)",
        "stopped": "it was stopped before it ended",
    }
    return told.get(state.state, "it still runs")


@contextmanager
def _stoppable() -> Iterator[list[int]]:
    """Let both signals interrupt, and keep which did."""
    asked: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        asked.append(number)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, stop) for each in _STOPS}
    try:
        yield asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
