"""The command ``videxplain-sweep``: what a sweep would do, what one has done, and what it shows.

Exit codes: 0 done, 2 the user's mistake, told in a sentence, 130 stopped.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from videxplain.commands import told
from videxplain.errors import ConfigError
from videxplain.report.summary import write_summary
from videxplain.sinks.places import results_folder
from videxplain.sinks.sweep_folder import SweepFolder

_HELP = {"-h", "--help"}


def main() -> None:
    """Run the command ``videxplain-sweep``."""
    if sys.argv[1:2] == ["plan"] and not _HELP & set(sys.argv[2:3]):
        from videxplain import cli

        sys.argv = ["videxplain", *_as_sweep(sys.argv[2:]), "hydra/sweeper=dry_run"]
        cli.main()
        return
    arguments = _parser().parse_args()
    with told("videxplain-sweep", only_files=True):
        arguments.call(arguments.folder)


def _as_sweep(arguments: list[str]) -> list[str]:
    known = {"-m", "--multirun"} & set(arguments)
    return arguments if known else ["-m", *arguments]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="videxplain-sweep", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="plan|summary|compare")
    planned = commands.add_parser("plan", help="the jobs of a sweep, its passes and their time")
    planned.add_argument("arguments", nargs="*", help="those of the command videxplain -m")
    told = commands.add_parser("summary", help="write summary.csv anew")
    compared = commands.add_parser("compare", help="methods across areas, as tables and plots")
    for command, call in ((told, _summary), (compared, _compare)):
        command.add_argument("folder", type=Path, help="outputs/sweeps/<time>, or outputs for all")
        command.set_defaults(call=call)
    return parser


def _summary(folder: Path) -> None:
    if not SweepFolder(folder).is_one() and not results_folder(folder).is_dir():
        message = f"{folder} holds no sweep: give outputs/sweeps/<time>, or a folder of outputs"
        raise ConfigError(message)
    tqdm.write(str(write_summary(folder)))


def _compare(folder: Path) -> None:
    from videxplain.report.compare import write_comparison  # matplotlib takes its time

    tqdm.write(str(write_comparison(folder) / "comparison.md"))
