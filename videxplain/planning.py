"""What a sweep would do: its jobs, checked before the first one starts.

The parts of every job are built, with random weights instead of the ones that would have to be
read, so that a mistake in any of them is told at once.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from omegaconf import DictConfig

from videxplain import config, keys, parts, runner
from videxplain.devices import check_device
from videxplain.errors import (
    ConfigError,
    UnknownKeyError,
    UnsupportedPairError,
    VidexplainError,
)
from videxplain.measuring import measured_cost
from videxplain.models.classifier import VideoClassifier
from videxplain.root_keys import canonical
from videxplain.types import Choosy, Explainer, Video
from videxplain.words import counted

_SHOWN = 20
"""Mistakes that a message lists."""


@dataclass(frozen=True)
class Planned:
    """One combination of a sweep.

    Attributes:
        name: What tells it from the others: those of the overrides that not all have.
        overrides: What the command line says of it.
        config: The completed configuration.
        classifier: Its network with random weights; None for a combination that is skipped.
        clips: How many it explains.
        cost: Passes through the network, forward and backward, that all its clips take.
    """

    name: str
    overrides: tuple[str, ...]
    config: Mapping[str, Any]
    classifier: VideoClassifier | None = None
    clips: int = 0
    cost: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Plan:
    """A sweep.

    Attributes:
        jobs: What is run.
        skipped: Combinations that make no sense, and why.
        merged: Combinations that are the same job as an earlier one, and which.
    """

    jobs: Sequence[Planned]
    skipped: Sequence[tuple[Planned, str]]
    merged: Sequence[tuple[Planned, Planned]]


@dataclass(frozen=True)
class Combination:
    """What Hydra composed of a job's overrides.

    Attributes:
        overrides: As on the command line.
        composed: Without Hydra's own part.
        choices: The name chosen in each group.
    """

    overrides: tuple[str, ...]
    composed: DictConfig
    choices: Mapping[str, str | None]


def make_plan(combinations: Sequence[Combination], plugins: Sequence[str]) -> Plan:
    """Check all combinations, and tell all that is wrong at once.

    Args:
        combinations: Of a sweep.
        plugins: Packages of the user's that a configuration may name.

    Raises:
        ConfigError: With every mistake, if there is one; or if there is no job at all.
    """
    checker = _Checker(plugins)
    jobs: dict[str, Planned] = {}
    skipped: list[tuple[Planned, str]] = []
    merged: list[tuple[Planned, Planned]] = []
    mistakes: dict[str, list[str]] = {}
    for name, each in zip(_names(combinations), combinations, strict=True):
        try:
            job = checker.check(each, name)
        except _SkippedError as reason:
            skipped.append((reason.job, str(reason)))
        except VidexplainError as error:
            mistakes.setdefault(str(error), []).append(name)
        else:
            first = jobs.setdefault(_identity(job.config), job)
            if first is not job:
                merged.append((job, first))
    if mistakes:
        raise ConfigError(_told(mistakes))
    if not jobs:
        raise ConfigError(_no_job(skipped))
    return Plan(list(jobs.values()), skipped, merged)


class _SkippedError(Exception):
    """A combination that makes no sense."""

    def __init__(self, job: Planned, reason: str) -> None:
        super().__init__(reason)
        self.job = job


class _Checker:
    """Builds each distinct part once."""

    def __init__(self, plugins: Sequence[str]) -> None:
        self._plugins = plugins
        self._built: dict[str, Any] = {}

    def check(self, combination: Combination, name: str) -> Planned:
        completed = config.complete(combination.composed, combination.choices)
        job = Planned(name, combination.overrides, completed)
        try:
            config.check_pair(completed)
            method = self._method(completed)
            metrics = self._part("metrics", completed.get("metrics", {}))
            self._part("logger", completed["logger"])
            check_device(completed["device"])
            classifier = self._classifier(completed["model"])
            if isinstance(method, Choosy):
                method.check(classifier)
            videos: Sequence[Video] = self._part("data", completed["data"])
            runner.check_target(completed["target"], classifier, videos)
        except UnsupportedPairError as error:
            raise _SkippedError(job, str(error)) from error
        areas = len(config.searched_areas(completed)) or 1
        cuts = 0 if config.searched_areas(completed) else len(completed["map_area"])
        each = measured_cost(method, list(metrics.values()), areas, cuts)
        cost = len(videos) * each.forward, len(videos) * each.backward
        return replace(job, classifier=classifier, clips=len(videos), cost=cost)

    def _method(self, completed: Mapping[str, Any]) -> Explainer:
        try:
            method: Explainer = self._part("method", completed["method"])
        except UnknownKeyError as error:
            raise ConfigError(_lacks(completed["choices"]["method"], error)) from error
        return method

    def _classifier(self, model: Mapping[str, Any]) -> VideoClassifier:
        unread = {**model, "weights": "random"}
        if "checkpoint" in model:
            unread["checkpoint"] = None
        classifier: VideoClassifier = self._part("model", unread)
        return classifier

    def _part(self, group: str, section: Mapping[str, Any]) -> Any:  # noqa: ANN401
        key = canonical([group, section])
        if key not in self._built:
            self._built[key] = parts.make(group, section, self._plugins)
        return self._built[key]


def _names(combinations: Sequence[Combination]) -> list[str]:
    """Of each combination, the overrides that not all have; all where there are no others."""
    sets = [set(each.overrides) for each in combinations]
    shared = set.intersection(*sets) if len(sets) > 1 else set()
    told = [[each for each in one.overrides if each not in shared] for one in combinations]
    return [
        " ".join(each.removeprefix("++") for each in own or one.overrides)
        for own, one in zip(told, combinations, strict=True)
    ]


def _lacks(method: str, error: UnknownKeyError) -> str:
    """A key that a sweep sets for all its methods, and one of them has not."""
    key = error.key.partition(".")[2]
    others = keys.names_with("method", key)
    if not others:
        return str(error)
    return (
        f"method={method} has no key {key!r}: sweep the methods that have it "
        f"({', '.join(others)}) in a command of their own"
    )


def _identity(completed: Mapping[str, Any]) -> str:
    """Equal for two jobs whose results would be; a weights file counts by its name."""
    weights = json.dumps([completed["model"].get(key) for key in ("weights", "weights_dir")])
    return f"{config.job_folder(completed, weights)} {config.shard(completed)}"


def _no_job(skipped: Sequence[tuple[Planned, str]]) -> str:
    if not skipped:
        return "the sweep has no job: a value such as glob(...) or [] names nothing; give others"
    reasons: dict[str, list[str]] = {}
    for job, reason in skipped:
        reasons.setdefault(reason, []).append(str(job))
    return _told(reasons)


def _told(mistakes: Mapping[str, Sequence[str]]) -> str:
    """In a sentence where there is one mistake, else in a list."""
    lines = [_line(*each) for each in list(mistakes.items())[:_SHOWN]]
    if len(mistakes) == 1:
        return lines[0]
    if len(mistakes) > _SHOWN:
        lines.append(f"and {len(mistakes) - _SHOWN} more")
    count = sum(map(len, mistakes.values()))
    head = f"{counted(count, 'job')} of the sweep cannot run, so none was started:"
    return "\n- ".join([head, *lines])


def _line(sentence: str, jobs: Sequence[str]) -> str:
    return f"{sentence} ({counted(len(jobs), 'job')}, the first {jobs[0]})"
