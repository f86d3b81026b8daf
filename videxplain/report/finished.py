"""Finished jobs of a sweep, or of a folder of outputs, each with a name of its own."""

import shlex
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videxplain import config
from videxplain.errors import ConfigError
from videxplain.sinks import places
from videxplain.sinks.shards import Outcome, joined, read
from videxplain.sinks.stored import read_clip, unreadable
from videxplain.sinks.sweep_folder import SweepFolder
from videxplain.words import Polarity, as_text

_SHOWN_ELSEWHERE = ("batch_size", "perturb_area", "shard")
"""Keys that do not make another method or set of clips: they change no result, or are a column."""
_SETTING = ("target", "precision", "polarity")
"""Root keys that change what is explained, whatever the method."""
_DIGITS = 8
"""Of a digest, enough to tell a few apart."""


@dataclass(frozen=True)
class Finished:
    """A job and what it came to.

    Attributes:
        folder: Its results.
        model: Choice, with the keys that tell it from others of its name.
        pretrain_dataset: What the model was trained on.
        setting: What else tells it from others: clips, classes, precision; empty if nothing does.
        method: Choice, with the keys that tell it from others of its name.
        metric_names: Its metrics, each with the keys that tell it from others of its name.
        outcome: Its result.json without the records, of which many jobs have too many to hold.
    """

    folder: Path
    model: str
    pretrain_dataset: str
    setting: str
    method: str
    metric_names: Mapping[str, str]
    outcome: Outcome

    @property
    def records(self) -> Sequence[Mapping[str, Any]]:
        """One a clip and area, read anew each time; none if the job was deleted since."""
        outcome = outcome_of(self.folder)
        found: Sequence[Mapping[str, Any]] = [] if outcome is None else outcome["records"]
        return found

    @property
    def name(self) -> str:
        """Of its folder, its own among all jobs."""
        return self.folder.name

    @property
    def names(self) -> Mapping[str, str]:
        """What it is called in tables."""
        return {
            "model": self.model,
            "pretrain_dataset": self.pretrain_dataset,
            "setting": self.setting,
            "method": self.method,
        }

    @property
    def outputs(self) -> Path | None:
        """Root of the results that it is one of; None if it was taken elsewhere."""
        return places.outputs_of(self.folder)

    @property
    def polarity(self) -> Polarity:
        """How its signed values become saliency."""
        found: Polarity = self.outcome["config"].get("polarity", "positive")
        return found

    @property
    def perturbation(self) -> str:
        """What hidden pixels turn into: ``blur``, or ``fade`` where its method does that."""
        fades = self.outcome["config"]["method"].get("perturbation") == "fade"
        return "fade" if fades else "blur"  # a method of the user's own may do anything else

    @property
    def command(self) -> str:
        """The one that made it; empty if it was made from Python."""
        return shlex.join(self.outcome.get("command") or [])

    @property
    def heading(self) -> str:
        """Of what is compared with each other."""
        return heading(self.model, self.pretrain_dataset, self.setting)

    def attribution(self, clip: str) -> Path:
        """Where the explanation of a clip is."""
        return places.archive(self.folder, clip)

    def record(self, clip: str) -> Path:
        """Where the numbers of a clip are."""
        return places.record(self.folder, clip)

    def pixels(self, clip: str) -> Path | None:
        """Where the pictures of a clip are; None where none were kept.

        Raises:
            OutputError: If the clip's record cannot be read.
        """
        record = self.record(clip)
        found = read_clip(record)
        if found is None:
            raise unreadable(record)
        digest = found["pixels"]
        if digest is None or self.outputs is None:
            return None
        kept = places.pixels(self.outputs, digest)
        return kept if kept.is_file() else None

    def metric_name(self, metric: str) -> str:
        """Name of a metric, told from others of its name."""
        return as_text(self.metric_names.get(metric, metric))


def heading(model: str, pretrain_dataset: str, setting: str) -> str:
    """Of what is compared with each other: a network and what it is asked."""
    return f"{model} ({pretrain_dataset}){setting and f', {setting}'}"


def finished(folder: Path) -> list[Finished]:
    """Every finished job.

    Args:
        folder: ``outputs/sweeps/<time>``, ``outputs``, or that of a job.

    Raises:
        ConfigError: If there is none.
    """
    outcomes = {
        each.absolute(): {key: outcome[key] for key in outcome if key != "records"}
        for each in _folders(folder)
        if (outcome := outcome_of(each))
    }
    if not outcomes:
        message = f"{folder} holds no finished job: give outputs/sweeps/<time>, or outputs"
        raise ConfigError(message)
    done = list(outcomes.items())
    configs = [outcome["config"] for _, outcome in done]
    models = [(each["choices"]["model"], each["pretrain_dataset"]["name"]) for each in configs]
    methods = [(each["choices"]["method"],) for each in configs]
    model_keys = _differing(models, [_network(outcome) for _, outcome in done])
    method_keys = _differing(methods, [_method(each["method"]) for each in configs])
    kinds = [_kind_of_data(outcome) for _, outcome in done]
    kind_keys = _differing([None] * len(done), [{"data": kind} for kind in kinds])
    setting_keys = _differing(kinds, [_setting(outcome) for _, outcome in done])
    metric_names = _metric_names([outcome for _, outcome in done])
    return [
        Finished(
            folder=path,
            model=" ".join([models[job][0], *model_keys[job]]),
            pretrain_dataset=models[job][1],
            setting=" ".join([*kind_keys[job], *setting_keys[job]]),
            method=" ".join([*methods[job], *method_keys[job]]),
            metric_names=metric_names[job],
            outcome=outcome,
        )
        for job, (path, outcome) in enumerate(done)
    ]


def _folders(folder: Path) -> Iterator[Path]:
    sweep = SweepFolder(folder)
    if (folder / places.RESULT).is_file() or places.shard_folders(folder):
        yield folder
        return
    if not sweep.is_one():
        yield from places.job_folders(folder, [places.RESULT])
        return
    for state in sweep.states().values():
        if state.state == "done" and state.folder is not None:
            yield places.whole_folder(Path(state.folder))


def outcome_of(folder: Path) -> Outcome | None:
    """What a finished job came to, or the shares of it that are there; None if it is not done."""
    whole = read(folder)
    if whole is None:
        shares = [each for each in map(read, places.shard_folders(folder)) if each is not None]
        whole = joined(shares) if shares else None
    return whole if whole is not None and whole["state"] == "done" else None


def _differing(names: Sequence[Hashable], sections: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Of each section ``key=value`` where others of its name have another value, or none."""
    flat = [_flat(section) for section in sections]
    alike = Counter(names)
    found: dict[tuple[Hashable, str], Counter[str]] = defaultdict(Counter)
    for name, keys in zip(names, flat, strict=True):
        for key, value in keys.items():
            found[name, key][repr(value)] += 1
    return [
        [
            as_text(f"{key}={value}")
            for key, value in keys.items()
            if found[name, key][repr(value)] < alike[name]
        ]
        for name, keys in zip(names, flat, strict=True)
    ]


def _setting(outcome: Outcome) -> Mapping[str, Any]:
    """What of which clips is explained."""
    told = outcome["config"]
    return {**{key: told.get(key) for key in _SETTING}, "data": told["data"]}


def _network(outcome: Outcome) -> Mapping[str, Any]:
    """Its keys, and the weights themselves in place of where they are."""
    keys = {
        key: value
        for key, value in outcome["config"]["model"].items()
        if key not in config.WHERE_WEIGHTS_ARE
    }
    return {**keys, "weights": (outcome.get("weights_sha256") or "")[:_DIGITS]}


def _method(section: Mapping[str, Any]) -> Mapping[str, Any]:
    """Its keys, and the areas where they make one map, which is no mask of any of them."""
    combined = {"areas": section.get("perturb_area")} if section.get("combine") else {}
    return {**section, **combined}


def _kind_of_data(outcome: Outcome) -> str:
    """The class that reads the clips."""
    return str(outcome["config"]["data"].get("_target_", "")).rpartition(".")[2].lower()


def _metric_names(outcomes: Sequence[Outcome]) -> list[Mapping[str, str]]:
    """For each job, its metrics' names with what tells them from those of the other jobs."""
    measured = [
        {**each.get("evaluated", {}), **(each["config"].get("metrics") or {})} for each in outcomes
    ]
    names = [name for each in measured for name in each]
    keys = _differing(names, [section for each in measured for section in each.values()])
    told_apart = iter(" ".join([name, *told]) for name, told in zip(names, keys, strict=True))
    return [{name: next(told_apart) for name in each} for each in measured]


def _flat(section: Mapping[str, Any], prefix: str = "") -> Mapping[str, Any]:
    """Its keys and those of the sections in it, by their dotted names."""
    flat: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif key not in _SHOWN_ELSEWHERE:
            flat[f"{prefix}{key}"] = value
    return flat
