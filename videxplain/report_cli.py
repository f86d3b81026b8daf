"""The command ``videxplain-report``: a page that shows what was explained, and how well.

Exit codes: 0 done, 2 the user's mistake, told in a sentence, 130 stopped.
"""

import argparse
from pathlib import Path

from tqdm import tqdm

from videxplain.commands import told


def main() -> None:
    """Run the command ``videxplain-report``."""
    parser = argparse.ArgumentParser(prog="videxplain-report", description=__doc__)
    parser.add_argument(
        "folder", type=Path, help="outputs/sweeps/<time>, outputs for all, or that of a job"
    )
    folder = parser.parse_args().folder
    with told("videxplain-report", only_files=True):
        from videxplain.report.site import write_report  # torch takes its time

        tqdm.write(str(write_report(folder)))
