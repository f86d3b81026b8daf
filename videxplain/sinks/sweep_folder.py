"""A sweep on disk: ``jobs.json`` says what was asked for, ``jobs/<number>.json`` how each ended."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from videxplain.errors import OutputError
from videxplain.sinks.files import write_json
from videxplain.sinks.locks import is_locked, locked
from videxplain.sinks.stored import Number, Place, read_valid

CHOICES = ("model", "pretrain_dataset", "method")
"""What a plan says of a job by name."""
State = Literal["pending", "running", "stopped", "done", "failed", "skipped", "merged"]


@dataclass(frozen=True)
class JobState:
    """How far a job is.

    Attributes:
        state: ``pending`` was not started, ``stopped`` was stopped before it ended.
        folder: Of its results, where known.
        error: What went wrong, or why it was skipped.
        traceback: Where an error comes from.
        seconds: What it took, loading included.
    """

    state: State
    folder: Place | None = None
    error: str | None = None
    traceback: str | None = None
    seconds: Number | None = None


@dataclass(frozen=True)
class Asked:
    """A combination of the sweep.

    Attributes:
        overrides: What the command line says of it.
        choices: Names of model, pretrain_dataset and method.
        state: Known without running it: ``skipped`` or ``merged``, else ``pending``.
        reason: Why it is not run.
    """

    overrides: Sequence[str]
    choices: Mapping[str, str]
    state: State = "pending"
    reason: str | None = None


_PLAN, _STATE = TypeAdapter(list[Asked]), TypeAdapter(JobState)


@dataclass(frozen=True)
class SweepFolder:
    """Where a sweep keeps account of its jobs.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def _plan_file(self) -> Path:
        return self.path / "jobs.json"

    def is_one(self) -> bool:
        """Whether a sweep keeps account here."""
        return self._plan_file.is_file()

    def write_plan(self, asked: Sequence[Asked]) -> None:
        """Keep what is asked for; the jobs that run come first, in the order of their numbers."""
        write_json(self._plan_file, [asdict(each) for each in asked])

    def plan(self) -> list[Asked]:
        """What was asked for.

        Raises:
            OutputError: If it is not there or damaged.
        """
        asked = read_valid(self._plan_file, _PLAN.validate_python, list)
        if asked is None:
            message = (
                f"{self.path} does not say which jobs were asked for: give the sweep's command "
                "again, it finds what is done"
            )
            raise OutputError(message)
        return _PLAN.validate_python(asked)

    @contextmanager
    def running(self, number: int) -> Iterator[None]:
        """Keep that a job runs; a lock, which ends with the process, tells it from a dead one."""
        lock = self._lock(number)
        with locked(lock):
            write_json(self._state_file(number), asdict(JobState("running")))
            yield
        lock.unlink(missing_ok=True)

    def write_state(self, number: int, state: JobState) -> None:
        """Keep how a job ended."""
        write_json(self._state_file(number), asdict(state))

    def state(self, number: int, asked: Asked) -> JobState:
        """How far a job is."""
        if asked.state != "pending":
            return JobState(asked.state, error=asked.reason)
        state = self._kept(number)
        if state.state == "running" and not is_locked(self._lock(number)):
            state = self._kept(number)  # it may have ended since
            return replace(state, state="stopped") if state.state == "running" else state
        return state

    def states(self) -> dict[int, JobState]:
        """Of the jobs that are to run, by their numbers."""
        return {
            number: self.state(number, asked)
            for number, asked in enumerate(self.plan())
            if asked.state == "pending"
        }

    def _kept(self, number: int) -> JobState:
        """What a job said of itself last."""
        found = read_valid(self._state_file(number), _STATE.validate_python)
        return _STATE.validate_python(found or {"state": "pending"})

    def _state_file(self, number: int) -> Path:
        return self.path / "jobs" / f"{number}.json"

    def _lock(self, number: int) -> Path:
        return self._state_file(number).with_suffix(".lock")
