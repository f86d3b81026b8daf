"""Finished jobs of a sweep, or of a folder of outputs, each with a name of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videxplain.errors import ConfigError
from videxplain.sinks.shards import RESULT, Outcome, joined, read, shard_folders, whole_folder
from videxplain.sinks.sweep_folder import SweepFolder

_SHOWN_ELSEWHERE = ("batch_size", "perturb_area")
"""Keys that do not make another method: one changes no result, the other is a column."""


@dataclass(frozen=True)
class Finished:
    """A job and what it came to.

    Attributes:
        folder: Its results.
        model: Choice, with the keys that tell it from others of its name.
        pretrain_dataset: What the model was trained on.
        method: Choice, with the keys that tell it from others of its name.
        outcome: Its result.json.
    """

    folder: Path
    model: str
    pretrain_dataset: str
    method: str
    outcome: Outcome

    @property
    def records(self) -> Sequence[Mapping[str, Any]]:
        """One a clip and area."""
        found: Sequence[Mapping[str, Any]] = self.outcome["records"]
        return found


def finished(folder: Path) -> list[Finished]:
    """Every finished job.

    Args:
        folder: ``outputs/sweeps/<time>``, or ``outputs``.

    Raises:
        ConfigError: If there is none.
    """
    outcomes = {each: outcome for each in _folders(folder) if (outcome := _outcome(each))}
    if not outcomes:
        message = f"{folder} holds no finished job: give outputs/sweeps/<time>, or outputs"
        raise ConfigError(message)
    return [
        Finished(
            path,
            _name(outcome, "model", outcomes),
            path.parts[-4],
            _name(outcome, "method", outcomes),
            outcome,
        )
        for path, outcome in outcomes.items()
    ]


def _folders(folder: Path) -> Iterator[Path]:
    sweep = SweepFolder(folder)
    if not (folder / "jobs.json").is_file():
        yield from sorted(path.parent for path in folder.glob(f"results/*/*/*/*/{RESULT}"))
        return
    for state in sweep.states().values():
        if state.state == "done" and state.folder is not None:
            yield whole_folder(Path(state.folder))


def _outcome(folder: Path) -> Outcome | None:
    """Of the whole, or of the shares that are there."""
    whole = read(folder)
    if whole is None:
        shares = [each for each in map(read, shard_folders(folder)) if each is not None]
        whole = joined(shares) if shares else None
    return whole if whole is not None and whole["state"] == "done" else None


def _name(outcome: Outcome, group: str, outcomes: Mapping[Path, Outcome]) -> str:
    """The choice, and those of its keys in which jobs of this choice differ."""
    choice = outcome["config"]["choices"][group]
    own = _flat(outcome["config"][group])
    alike = [
        _flat(each["config"][group])
        for each in outcomes.values()
        if each["config"]["choices"][group] == choice
    ]
    told = [
        f"{key}={value}"
        for key, value in own.items()
        if key not in _SHOWN_ELSEWHERE and any(other.get(key) != value for other in alike)
    ]
    return " ".join([choice, *told])


def _flat(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
