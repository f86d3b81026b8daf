"""A sweep on disk: ``jobs.json`` says what was asked for, ``jobs/<number>.json`` how each ended."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from videxplain.sinks.files import write_json

State = Literal["pending", "running", "done", "failed", "skipped", "merged"]


@dataclass(frozen=True)
class JobState:
    """How far a job is.

    Attributes:
        state: ``pending`` was not started, ``running`` did not end, or was stopped hard.
        folder: Of its results, where known.
        error: What went wrong, or why it was skipped.
        traceback: Where an error comes from.
        seconds: What it took, loading included.
    """

    state: State
    folder: str | None = None
    error: str | None = None
    traceback: str | None = None
    seconds: float | None = None


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


@dataclass(frozen=True)
class SweepFolder:
    """Where a sweep keeps account of its jobs.

    Attributes:
        path: The folder.
    """

    path: Path

    def write_plan(self, asked: Sequence[Asked]) -> None:
        """Keep what is asked for; the jobs that run come first, in the order of their numbers."""
        write_json(self.path / "jobs.json", [asdict(each) for each in asked])

    def plan(self) -> list[Asked]:
        """What was asked for."""
        return [Asked(**each) for each in _read(self.path / "jobs.json")]

    def write_state(self, number: int, state: JobState) -> None:
        """Keep how far a job is."""
        write_json(self._state_file(number), asdict(state))

    def state(self, number: int, asked: Asked) -> JobState:
        """How far a job is."""
        path = self._state_file(number)
        if asked.state != "pending" or not path.is_file():
            return JobState(asked.state, error=asked.reason)
        return JobState(**_read(path))

    def _state_file(self, number: int) -> Path:
        return self.path / "jobs" / f"{number}.json"


def _read(path: Path) -> Any:  # noqa: ANN401
    return json.loads(path.read_text(encoding="utf-8"))
