"""Hydra's side of a sweep: which jobs there are, that they can run, and how they ended."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict
from tqdm import tqdm

from videxplain import config, launching
from videxplain.composing import Composer
from videxplain.errors import ConfigError, JobsFailedError
from videxplain.sinks.sweep_folder import CHOICES, Asked, SweepFolder
from videxplain.words import counted

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader

    from videxplain.planning import Plan, Planned

log = logging.getLogger(__name__)

_LOGGED = "logger=wandb"
"""What a sweep adds, unless the command line says otherwise."""
_NOT_INSTALLED = "Unknown plugin class"
"""What Hydra says of a launcher whose package is not there."""
_IN_PROCESS = "basic"
"""Hydra's launcher that runs one job after the other where the sweep runs."""


class Grid(Sweeper):
    """Every combination of the values on the command line.

    All of them are checked before the first job starts, equal ones run once, impossible pairs are
    skipped with the reason, and whatever happens to a job, the others run and a summary is written.

    Args:
        params: Further values, by key; the command line overrides them.
    """

    def __init__(self, params: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self._params = params or {}

    def setup(
        self,
        *,
        hydra_context: HydraContext,
        task_function: TaskFunction,
        config: DictConfig,
    ) -> None:
        """Hydra's call before `sweep`."""
        self._composed, self._context = config, hydra_context
        self._task_function = task_function

    def sweep(self, arguments: list[str]) -> None:
        """Run all jobs.

        Args:
            arguments: Overrides, of which some give several values.

        Raises:
            ConfigError: If a combination cannot run; none is started then.
            JobsFailedError: If a job failed; the others ran.
        """
        folder = SweepFolder(Path(self._composed.hydra.sweep.dir).absolute())
        self._keep_in(folder.path)
        launcher = self._launcher()
        plan = self._plan(arguments)
        asked, jobs = _asked(plan), [list(job.overrides) for job in plan.jobs]
        folder.write_plan(asked)
        _say(plan)
        self._keep_reasons(plan)
        del plan  # with it go the networks that were built to check the jobs
        try:
            reasons = launching.launch(launcher, jobs, folder)
        finally:
            self._finish(folder)
        if self._composed.report:
            _show(folder)
        name = self._composed.hydra.runtime.choices["hydra/launcher"]
        told = {n: launching.refused(name, each) for n, each in reasons.items()}
        _check_all_done(folder, asked, told)

    @cached_property
    def _compose(self) -> Composer:
        return Composer(self._context.config_loader, self._composed)

    def _plan(self, arguments: Sequence[str]) -> "Plan":
        from videxplain import planning  # imports torch, which a wrong name need not wait for

        combinations = [self._compose(each) for each in self._combinations(arguments)]
        plugins = {
            name for each in combinations for name in config.plugins(each.composed, arguments)
        }
        return planning.make_plan(combinations, sorted(plugins))

    def _combinations(self, arguments: Sequence[str]) -> list[tuple[str, ...]]:
        parser = OverridesParser.create(config_loader=self._context.config_loader)
        given = [_LOGGED, *(f"{key}={value}" for key, value in self._params.items())]
        values = {
            each.get_key_element(): _values(each)
            for each in parser.parse_overrides([*given, *arguments])
        }
        return list(product(*values.values()))

    def _keep_in(self, folder: Path) -> None:
        """Let every job know the sweep's folder; a worker may start elsewhere."""
        # a backslash counts twice before OmegaConf's ${ alone
        plain = re.sub(r"(\\*)\$\{", lambda m: 2 * m[1] + "\\${", str(folder))
        # in Hydra's quotes, before a quote and at the end alone
        quoted = re.sub(r"(\\*)('|$)", lambda m: 2 * m[1] + m[2].replace("'", "\\'"), plain)
        with open_dict(self._composed):
            self._composed.hydra.sweep.dir = plain
            self._composed.hydra.overrides.hydra.append(f"hydra.sweep.dir='{quoted}'")

    def _launcher(self) -> Launcher:
        try:
            return Plugins.instance().instantiate_launcher(
                hydra_context=self._launchers_context(),
                task_function=self._task_function,
                config=self._composed,
            )
        except Exception as error:  # Hydra's own is a RuntimeError
            name = self._composed.hydra.runtime.choices["hydra/launcher"]
            install = f"pip install 'videxplain[{_extra(name)}]'"
            told = f"hydra/launcher={name} cannot be used"
            if str(error).startswith(_NOT_INSTALLED):
                message = f"{told}, it is not installed: {install}"
            else:
                message = f"{told} ({error}): is it installed? {install}"
            raise ConfigError(message) from error

    def _launchers_context(self) -> HydraContext:
        """Hydra's; a launcher of this process need not compose anew what the plan did."""
        if self._composed.hydra.runtime.choices["hydra/launcher"] != _IN_PROCESS:
            return self._context
        loader = cast("ConfigLoader", self._compose)  # the one method that it calls
        return replace(self._context, config_loader=loader)

    def _keep_reasons(self, plan: "Plan") -> None:
        from videxplain import runner

        for job, reason in plan.skipped:
            runner.skip(job.config, reason)

    def _finish(self, folder: SweepFolder) -> None:
        from videxplain.report.summary import write_summary

        tqdm.write(f"Summary: {write_summary(folder.path)}")


class DryRun(Grid):
    """Says what a sweep would do, and does nothing."""

    def sweep(self, arguments: list[str]) -> None:
        """Print the plan.

        Raises:
            ConfigError: If a combination cannot run.
        """
        from videxplain.dry_run import describe

        tqdm.write(describe(self._plan(arguments)))


def _show(folder: SweepFolder) -> None:
    from videxplain.report.site import tell_report

    tell_report(folder.path)


def _extra(launcher: str) -> str:
    return "ray" if launcher.startswith("ray") else "cluster"


def _values(override: Override) -> list[str]:
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        message = f"{override.input_line}: a sweep needs values one by one, as in {key}=a,b"
        raise ConfigError(message)
    return [f"{key}={value}" for value in override.sweep_string_iterator()]


def _asked(plan: "Plan") -> list[Asked]:
    return [
        *(Asked(job.overrides, _names(job)) for job in plan.jobs),
        *(Asked(job.overrides, _names(job), "skipped", reason) for job, reason in plan.skipped),
        *(
            Asked(job.overrides, _names(job), "merged", f"the same job as {first}")
            for job, first in plan.merged
        ),
    ]


def _names(job: "Planned") -> dict[str, str]:
    chosen = {**job.config["choices"], "pretrain_dataset": job.config["pretrain_dataset"]["name"]}
    return {name: str(chosen[name]) for name in CHOICES}


def _say(plan: "Plan") -> None:
    log.info("%s", counted(len(plan.jobs), "job"))
    for job, reason in plan.skipped:
        log.info("skipped: %s (%s)", reason, job)
    for job, first in plan.merged:
        log.info("the same job as %s: %s", first, job)


def _check_all_done(
    folder: SweepFolder, asked: Sequence[Asked], reasons: Mapping[int, str]
) -> None:
    states = folder.states()
    wrong = {number: state for number, state in states.items() if state.state != "done"}
    if wrong:
        number, first = next(iter(wrong.items()))
        verb = "is" if len(wrong) == 1 else "are"
        why = reasons.get(number) or launching.how(first)
        message = (
            f"{len(wrong)} of {counted(len(states), 'job')} {verb} not done; the first is "
            f"{' '.join(asked[number].overrides) or 'the only one'}: {why}; "
            "the same command repeats what is missing"
        )
        raise JobsFailedError(message)
