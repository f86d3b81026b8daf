"""Each tutorial of docs/extend, done as it is written: its files, its commands, its scripts."""

import json
import re
import runpy
import shlex
from pathlib import Path

import pytest

from tests.commands import Run, runner
from videxplain import cli

PAGES = sorted((Path(__file__).parents[1] / "docs" / "extend").glob("*.md"))
_FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
REFUSED = "method.apart=0"
"""In the one command that a page says is refused."""
FOUND = {"data": {"grad", "grad_cam"}, "method": {"motion", "grad", "random"}}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return runner("videxplain", cli.main, monkeypatch, capsys)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial(page: Path, run: Run) -> None:
    blocks = _FENCE.findall(page.read_text(encoding="utf-8"))
    for _, name, text in blocks:
        if name:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(text, encoding="utf-8")
    commands = [text for language, name, text in blocks if language == "bash" and not name]
    assert commands
    for line in "".join(commands).replace("\\\n", " ").splitlines():
        do(shlex.split(line), run)
    for script in Path().glob("try_*.py"):
        runpy.run_path(str(script))
    results = [json.loads(path.read_text()) for path in Path("outputs").rglob("result.json")]
    assert results
    assert all(each["state"] == "done" and each["records"] for each in results)
    found = {each["config"]["choices"]["method"] for each in results}
    assert found == FOUND.get(page.stem, found)


def do(words: list[str], run: Run) -> None:
    """A line of a shell, in this process."""
    if words[0] == "python":
        runpy.run_path(words[1])
        return
    assert words[:2] == ["PYTHONPATH=.", "videxplain"]
    ran = run(*words[2:])
    assert (ran.code == 2) == (REFUSED in words), ran.err
    assert "apart" in ran.err or ran.code == 0, ran.err
