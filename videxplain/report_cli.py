"""The command ``videxplain-report``: a page that shows what was explained, and how well.

Exit codes: 0 done, 2 the user's mistake, told in a sentence.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from videxplain import cli
from videxplain.errors import VidexplainError


def main() -> None:
    """Run the command ``videxplain-report``."""
    cli.show_any_character()
    parser = argparse.ArgumentParser(prog="videxplain-report", description=__doc__)
    parser.add_argument(
        "folder", type=Path, help="outputs/sweeps/<time>, outputs for all, or that of a job"
    )
    folder = parser.parse_args().folder

    from videxplain.report.site import write_report

    try:
        tqdm.write(str(write_report(folder)))
    except VidexplainError as error:
        tqdm.write(f"videxplain-report: {error}", file=sys.stderr)
        sys.exit(cli.USERS_MISTAKE)
