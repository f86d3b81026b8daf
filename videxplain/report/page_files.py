"""Files that a page opened from the disk can read: scripts, as browsers refuse it anything else."""

import json
from importlib import resources
from pathlib import Path

from plotly.offline import get_plotlyjs

from videxplain.figures import COLOURS, colour_table
from videxplain.sinks.files import finite, write_text

_PAGE = resources.files("videxplain.report") / "page"
_HTML = str.maketrans({each: f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"})
"""Characters that could end a script, or a line of one."""


def put(to: Path, name: str, value: object) -> None:
    """Write plain values as a script that hands them to the page.

    Args:
        to: Folder of the report.
        name: What the page asks for; the file is ``data/<name>.js``.
        value: Numbers that JSON lacks become null.

    Raises:
        OutputError: If it cannot be written.
    """
    text = json.dumps(finite(value), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    script = f"videxplain.put({json.dumps(name)},{text.translate(_HTML)});\n"
    write_text(data_file(to, name), script)


def data_file(to: Path, name: str) -> Path:
    """Where `put` writes it."""
    return to / "data" / f"{name}.js"


def copy_page(to: Path) -> None:
    """Write what the page is made of, its colour maps, and the library that draws its plots.

    Raises:
        OutputError: If it cannot be written.
    """
    for part in _PAGE.iterdir():
        write_text(to / part.name, part.read_text(encoding="utf-8"))
    put(to, "colours", {name: colour_table(name).flatten().tolist() for name in COLOURS})
    plots = to / "plotly.min.js"
    if not plots.is_file():
        write_text(plots, get_plotlyjs())
