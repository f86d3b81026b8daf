"""The command ``videxplain-figure``: methods against frames, drawn from results on disk for papers.

Exit codes: 0 done, 2 the user's mistake, told in a sentence, 130 stopped.
"""

import argparse
from pathlib import Path

from tqdm import tqdm

from videxplain.commands import told
from videxplain.errors import ConfigError

_COLOURS = ("viridis", "cividis", "jet")
_SHOWN = ("heat", "kept", "deleted")


def main() -> None:
    """Run the command ``videxplain-figure``."""
    given = _parser().parse_args()
    with told("videxplain-figure", only_files=True):
        _draw(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="videxplain-figure", description=__doc__)
    add = parser.add_argument
    add("folder", type=Path, help="outputs/sweeps/<time>, outputs for all, or that of a job")
    add("--clip", help="name of the clip; needed where there are several")
    add("--model", help="needed where models see the clip in different sizes")
    add("--method", default="", help="rows in their order, as in step,3d_ep,grad; all if not given")
    add("--area", type=float, help="of the masks, or share kept of maps; .1 if not given")
    add("--frames", type=int, help="columns; 8 if not given, an animation has every frame")
    add("--colours", choices=_COLOURS, default="viridis", help="of heat maps; jet: as published")
    add("--show", choices=_SHOWN, default="heat", help="the map, what it keeps, what it deletes")
    add("--output", type=Path, help=".png or .pdf, .webp or .gif; a PNG and a PDF if not given")
    return parser


def _draw(given: argparse.Namespace) -> None:
    if given.area is not None and not 0 < given.area < 1:
        message = f"--area {given.area:g}: give a share between 0 and 1"
        raise ConfigError(message)
    if given.frames is not None and given.frames < 1:
        message = f"--frames {given.frames}: give a whole number, at least 1"
        raise ConfigError(message)

    from videxplain.report.chosen import Choice  # torch and matplotlib take their time
    from videxplain.report.figure import write_figure
    from videxplain.report.figure_rows import Look

    methods = [name.strip() for name in given.method.split(",") if name.strip()]
    choice = Choice(given.clip, given.model, methods, given.area)
    look = Look(given.show, given.colours, given.frames)
    for file in write_figure(given.folder, choice, look, given.output):
        tqdm.write(str(file))


if __name__ == "__main__":
    main()
