"""Each script of examples/, as a reader runs it, with few iterations."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.videos import write_video

EXAMPLES = Path(__file__).parents[1] / "examples"
FEW = ("--num-iter", "3")
RUNS = {
    "compare_methods": ((*FEW, "--clips", "1"), []),
    "draw_figure": (FEW, ["methods.png"]),
    "explain_clip": (FEW, ["explained.webp"]),
    "own_network": (FEW, []),
    "own_video": ((*FEW, "swing.mp4"), ["swing-area0.05.webp", "swing-area0.1.webp"]),
}
"""Arguments, and the pictures that are there in the end."""
ELSEWHERE = {"three_cuts"}
"""It explains a network that is not installed with the package, and has tests of its own."""


def test_every_example_is_run() -> None:
    assert set(RUNS) | ELSEWHERE == {path.stem for path in EXAMPLES.glob("*.py")}


@pytest.mark.parametrize("name", RUNS)
def test_an_example(name: str, tmp_path: Path) -> None:
    arguments, pictures = RUNS[name]
    write_video(tmp_path / "swing.mp4", 20)
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout
    for picture in pictures:
        with Image.open(tmp_path / picture) as opened:
            opened.load()
