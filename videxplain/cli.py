"""The command line: Hydra composes a configuration, the runner does the work.

Exit codes: 0 done, 1 failed, 2 the user's mistake, told in a sentence, 130 stopped.
"""

import argparse
import inspect
import logging
import os
import re
import sys
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, NoReturn

import hydra
from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from tqdm import tqdm

from videxplain import __version__, building, catalog, commands, config, hydra_words
from videxplain.errors import ConfigError, JobsFailedError
from videxplain.sinks.sweep_folder import JobState, SweepFolder

if TYPE_CHECKING:
    from videxplain.job import Job

log = logging.getLogger(__name__)

_CONFIG_PATH = "pkg://videxplain.conf" if catalog.is_packaged() else str(catalog.conf_folder())
_TAKE_A_VALUE = (
    *("--config-path", "-cp", "--config-name", "-cn"),
    *("--config-dir", "-cd", "--package", "-p"),
)
_SHOW = ("--cfg", "-c", "--info", "-i")
"""Options that may take a word for what they show."""
_RERUN = "--experimental-rerun"
_METHOD = "method="
_COMMAND = "videxplain"
_HELP = {"--help", "-h"}
_HYDRAS_OWN = (ValueError, AssertionError)
"""What Hydra raises of what it is given."""
_READERS = {"omegaconf", "yaml"}
"""Packages that make values of what a file says, which may raise anything."""
_ON_THE_WAY = {"videxplain.cli", "videxplain.commands"}
_COMPLETION = {"--shell-completion", "-sc"}

_OURS = r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema with the same name"
"""Hydra's warning of files in conf/hydra/launcher; that check is wanted."""

warnings.filterwarnings("ignore", _OURS)  # in workers, which import this module


def main() -> None:
    """Run the command ``videxplain``."""
    warnings.filterwarnings("ignore", _OURS)  # a caller may have reset the filters since
    if "--version" in sys.argv[1:]:
        tqdm.write(f"videxplain {__version__}")
        return
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # let errors through, to be told in a sentence
    with commands.told(_COMMAND):
        try:
            _run(sys.argv[1:])
        except JobsFailedError as error:
            _end(error, commands.FAILED)
        except Exception as error:
            if not _is_mistake(error):
                raise
            if not isinstance(error, (*hydra_words.EXPECTED, *_HYDRAS_OWN)):
                kind = type(error).__name__
                error = ConfigError(f"a tag (!!) or alias (*) in a file makes no value ({kind})")
            _end(error, commands.USERS_MISTAKE)


def _run(arguments: Sequence[str]) -> None:
    if _HELP & set(arguments) and _help(arguments):
        return
    if not _COMPLETION & set(arguments):
        _check_arguments(_options_first(arguments))
    sys.argv[1:] = _options_first(_for_every_choice(arguments))
    _job()


@hydra.main(version_base="1.3", config_path=_CONFIG_PATH, config_name="config")
def _job(composed: DictConfig) -> None:
    commands.steady_output()  # a worker has a screen of its own
    _work(composed)


def _work(composed: DictConfig) -> None:
    settings = HydraConfig.get()
    choices = dict(settings.runtime.choices)
    given = catalog.plain_values(settings.overrides)["task"]
    if settings.mode is RunMode.MULTIRUN:
        _in_a_sweep(composed, choices, given)
        return
    try:
        _explain(_prepare(composed, choices, given))
    except hydra_words.EXPECTED as error:
        _end(error, commands.USERS_MISTAKE)


def _is_mistake(error: BaseException) -> bool:
    """Whether it is the user's: told so, or raised by what reads files and the command line."""
    if isinstance(error, hydra_words.EXPECTED):
        return True
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    work = inspect.unwrap(_work).__code__  # checks of types at run time wrap every function alike
    if any(frame.f_code is work for frame in frames):
        return False
    modules = {str(frame.f_globals.get("__name__")) for frame in frames}
    ours = any(module.startswith("videxplain.") for module in modules - _ON_THE_WAY)
    is_read = any(module.partition(".")[0] in _READERS for module in modules)
    return isinstance(error, _HYDRAS_OWN) or (is_read and not ours)


def _in_a_sweep(
    composed: DictConfig, choices: Mapping[str, str | None], given: Sequence[str]
) -> None:
    """Keep account of a job; Hydra notes an error and goes on with the next one."""
    settings = HydraConfig.get()
    account, number = SweepFolder(Path(settings.sweep.dir)), int(settings.job.num)
    start, folder = time.perf_counter(), None
    with account.running(number):
        try:
            os.chdir(settings.runtime.cwd)  # a worker may have started elsewhere
            job = _prepare(composed, choices, given)
            folder = str(job.sink.account.absolute())
            account.write_state(number, JobState("running", folder))
            folder = str(_explain(job, sweep=account.path.name).absolute())
        except Exception as error:
            seconds, told = time.perf_counter() - start, hydra_words.of_a_job(error)
            traced = "".join(traceback.format_exception(error))
            account.write_state(number, JobState("failed", folder, told, traced, seconds))
            log.error("failed: %s", told)  # noqa: TRY400  # the traceback is in the account
            raise
        seconds = time.perf_counter() - start
        account.write_state(number, JobState("done", folder, seconds=seconds))


def _prepare(
    composed: DictConfig, choices: Mapping[str, str | None], given: Sequence[str]
) -> "Job":
    plugins = config.plugins(composed, given)
    completed = config.complete(composed, choices)
    config.check_pair(completed)

    from videxplain import runner  # imports torch, which a mistake above need not wait for

    return replace(runner.prepare(completed, plugins), command=["videxplain", *given])


def _explain(job: "Job", sweep: str | None = None) -> Path:
    from videxplain import runner
    from videxplain.report.console import table

    result = runner.run(job, sweep)
    tqdm.write(f"\n{table(result.records)}\n")
    tqdm.write(f"Pictures: {result.folder / 'figures'}")
    if sweep is None and job.config["report"]:
        from videxplain.report.site import tell_report

        tell_report(result.folder)
    return result.account


def _for_every_choice(arguments: Sequence[str]) -> list[str]:
    """Let a sweep over a group change a key that its default choice lacks.

    Hydra composes the default choice before the jobs; ``++`` lets the key through there, and each
    job's own choice is checked for it when it is built.
    """
    swept = [
        group
        for group in config.GROUPS
        if any(re.match(rf"{group}=.*[,(]", argument) for argument in arguments)
    ]
    changes = re.compile(rf"({'|'.join(swept)})\.[\w.]+=") if swept else None
    return [f"++{each}" if changes and changes.match(each) else each for each in arguments]


def _options_first(arguments: Sequence[str]) -> list[str]:
    """Let options stand anywhere; Hydra's parser loses the overrides on one side of them."""
    options: list[str] = []
    overrides: list[str] = []
    for before, each in zip(["", *arguments], arguments, strict=False):
        is_a_value = before in _TAKE_A_VALUE or (before in _SHOW and "=" not in each)
        is_override = each[:1] != "-" and not is_a_value
        (overrides if is_override else options).append(each)
    return [*options, *overrides]


def _help(arguments: Sequence[str]) -> bool:
    """Tell what is asked for; what lies in a folder of the user's own is left to Hydra."""
    method, elsewhere = _chosen_method(arguments), set(arguments) & set(_TAKE_A_VALUE)
    if method and (method in catalog.names("method") or not elsewhere):
        _describe(method)
        return True
    _check_arguments(arguments)
    if not elsewhere:
        _print_help(arguments)
    return not elsewhere


def _chosen_method(arguments: Sequence[str]) -> str | None:
    """The one method that a command line names, None where it names none or several."""
    named = [each.removeprefix(_METHOD) for each in arguments if each.startswith(_METHOD)]
    return named[-1] if named and named[-1].replace("_", "").isalnum() else None


def _describe(method: str) -> None:
    section = catalog.section("method", method)

    from videxplain.report.describe import describe

    built = building.build(section, "method")
    tqdm.write(describe(method, built, catalog.text("method", method)))


def _print_help(arguments: Sequence[str]) -> None:
    """What Hydra would print; it copies all that it knows for every group, and takes seconds."""
    overrides = [each for each in arguments if not each.startswith("-")]
    with initialize_config_dir(str(catalog.conf_folder()), version_base="1.3"):
        composed = compose("config", overrides, return_hydra_config=True)
        template = Template(composed.hydra.help.template)
    with open_dict(composed):
        del composed["hydra"]
    groups = sorted([*config.GROUPS, config.EXPERIMENT])
    told = [f"{group}: {', '.join(catalog.names(group))}\n" for group in groups]
    shown = {"APP_CONFIG_GROUPS": "".join(told), "CONFIG": OmegaConf.to_yaml(composed)}
    tqdm.write(template.substitute(shown))


def _check_arguments(arguments: Sequence[str]) -> None:
    """Tell unknown options and keys before Hydra does, with the nearest ones."""
    parser = get_args_parser()
    parser.allow_abbrev = parser.exit_on_error = False
    try:
        given, rest = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        message = f"{error}: videxplain --hydra-help tells what may be given"
        raise ConfigError(message) from error
    for each in rest:
        if each.startswith("-"):
            message = f"{each!r} is no option: write key=value or group=name, without dashes"
            raise ConfigError(message)
    if given.experimental_rerun:
        message = f"{_RERUN} reads a pickle, which can run code: give the command again instead"
        raise ConfigError(message)
    if not (given.config_path or given.config_name):
        overrides = [*given.overrides, *rest]
        config.check_overrides([each for each in overrides if "=" in each or each[:1] == "~"])


def _end(error: Exception, code: int) -> NoReturn:
    commands.tell(_COMMAND, hydra_words.in_words(error))
    sys.exit(code)


if __name__ == "__main__":
    main()
