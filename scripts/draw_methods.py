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
_TRANSFORMERS = {"attention_rollout": ["model=mvit_v2_s", "weights=random", "target=predicted"]}
"""Methods that the default network does not suit, and what suits them."""
_SHARE = 2
"""Of the figure's size, which is for print."""


def main() -> None:
    """Explain the clip by every method and keep a figure of each."""
    _PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        _explain(folder, "method=glob(*)")
        for name, network in _TRANSFORMERS.items():
            _explain(folder, f"method={name}", *network)
        for name in catalog.names("method"):
            drawn = Path(folder) / "drawn.png"
            write_figure(Path(folder) / "outputs", Choice(_CLIP, None, [name], None), Look(), drawn)
            to = _PICTURES / f"{name}.webp"
            with Image.open(drawn) as picture:
                picture.convert("RGB").reduce(_SHARE).save(to)
            print(to)


def _explain(folder: str, *chosen: str) -> None:
    arguments = ["-m", "data=shapes", "logger=none", "report=false"]
    measured = "metrics=[probability_kept,preserved]"
    command = [sys.executable, "-m", "videxplain", *chosen, *arguments, measured]
    subprocess.run(command, cwd=folder, check=True)


if __name__ == "__main__":
    main()
