"""What a shell sees: completion, options in any place, folders of the user's own."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException
from hypothesis import given
from hypothesis import strategies as st

from tests.commands import Run, runner
from tests.strategies import bounded
from videxplain import cli, hydra_words

COMPLETE = """
eval "$(videxplain -sc install=bash)"
COMP_LINE="videxplain $1" COMP_WORDS=(videxplain "$1") COMP_CWORD=1 COMP_POINT=99
hydra_bash_completion
echo "${COMPREPLY[@]}"
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner("videxplain", cli.main, monkeypatch, capsys)


def test_bash_completes(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-c", COMPLETE, "bash", "method=s"],
        env={**os.environ, "PATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    methods = ["method=score_cam", "method=smooth_grad", "method=step"]
    assert (ran.stdout.split(), ran.stderr) == (methods, "")


@pytest.mark.parametrize("place", [0, 2])
def test_options_may_stand_anywhere(run: Run, place: int) -> None:
    arguments = ["method=center,random", "data=shapes", "report=false"]
    arguments.insert(place, "-m")
    ran = run(*arguments, "metrics=[]", "logger=none")
    assert ran.code == 0, ran.err
    assert len(list(Path("outputs").glob("results/*/*/*/*/result.json"))) == 2


def test_help_for_a_method_in_a_folder_of_ones_own(run: Run) -> None:
    Path("mine/method").mkdir(parents=True)
    Path("mine/method/edges.yaml").write_text("_target_: edges.Edges\nwidth: 3\n")
    ran = run("method=edges", "--config-dir", "mine", "--help")
    assert ran.code == 0, ran.err
    assert "edges, grad" in ran.out
    assert "width: 3" in ran.out
    assert "Find, for each area" in run("method=step", "--config-dir", "mine", "--help").out


@bounded(300)
@given(st.text("ab '\"\\=,[](){}$é!`#", min_size=1))
def test_a_value_that_is_not_understood_is_told_with_its_quotes(value: str) -> None:
    """What the message says, given to a shell, is the value."""
    parser = OverridesParser.create()
    try:
        parser.parse_overrides([f"videos_dir={value}"])
    except OverrideParseException as error:
        said = hydra_words.in_words(error)
        _, _, proposed = said.partition("other signs: ")
        if not proposed or proposed == "\"key='value'\"":
            return
        (argument,) = shlex.split(proposed)
        whole = value[1:-1] if len(value) > 1 and value[0] == value[-1] in ("'", '"') else value
        assert parser.parse_overrides([argument])[0].value() == whole
