"""Draw docs/images/methods: each method on the same clip, as docs/methods.md shows it."""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from videxplain import catalog
from videxplain.report.chosen import Choice
from videxplain.report.figure import write_figure
from videxplain.report.figure_rows import Look

_PICTURES = Path(__file__).parents[1] / "docs" / "images" / "methods"
_CLIP = "left-0-0001"
_SHARE = 2
"""Of the figure's size, which is for print."""


def main() -> None:
    """Explain the clip by every method and keep a figure of each."""
    _PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["-m", "method=glob(*)", "data=shapes", "logger=none", "report=false"]
        measured = "metrics=[probability_kept,preserved]"
        command = [sys.executable, "-m", "videxplain", *arguments, measured]
        subprocess.run(command, cwd=folder, check=True)
        for name in catalog.names("method"):
            drawn = Path(folder) / "drawn.png"
            write_figure(Path(folder) / "outputs", Choice(_CLIP, None, [name], None), Look(), drawn)
            to = _PICTURES / f"{name}.webp"
            with Image.open(drawn) as picture:
                picture.convert("RGB").reduce(_SHARE).save(to)
            print(to)


if __name__ == "__main__":
    main()
