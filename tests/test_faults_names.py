"""Odd names of files and folders, odd locales, and clocks that jump."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import faults
from tests.commands import Run, runner
from tests.outputs import contents, records, results, summary
from tests.videos import write_video
from videxplain import cli, evaluate_cli, figure_cli, report_cli
from videxplain.data.files import find_videos
from videxplain.errors import DataError
from videxplain.sinks.files import read_json, write_json

LONGEST = 255
"""Bytes of a name, on most file systems."""
ODD = {
    "spaces": " a  b ",
    "quotes": 'it\'s "so" `now`',
    "newline": "line\nbreak\ttab\r",
    "emoji": "🎬 ünï-現",
    "signs": "$x ${y} %s {z} [1] *? \\ # ; & | < > = , : @ ~ !",
    "dashes": "--help",
    "longest": "é" * (LONGEST // 2) + "x",
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner("videxplain", cli.main, monkeypatch, capsys)


def quoted(key: str, value: str) -> str:
    """As Hydra reads it."""
    text = value.replace("'", "\\'").replace("${", "\\${")
    return f"{key}='{text}'"


def test_clips_of_any_name(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = Path("videos")
    for level, name in enumerate(ODD.values()):
        faults.write_clip(videos / name, 30 * level)
        plain = faults.write_clip(Path("plain") / f"{level}", 30 * level)
        assert plain.is_dir()
    for number, name in enumerate(ODD.values()):
        short = name.encode()[: LONGEST - 4].decode(errors="ignore")
        write_video(videos / f"{short}.mp4", 4 + number, size=(32, 32))
    asked = (*faults.OWN, "report=true", "method=3d_ep", "num_iter=2")
    ran = run(*asked, "videos_dir=videos")
    assert ran.code == 0, ran.err
    (result,) = results()
    clips = [row["clip"] for row in json.loads(result.read_text())["records"]]
    assert len(clips) == 2 * len(ODD)
    assert set(ODD.values()) <= set(clips)
    assert "already done" in run(*asked, "videos_dir=videos").out
    assert (result.parent / "report" / "index.html").is_file()
    figure = runner("videxplain-figure", figure_cli.main, monkeypatch, capsys)
    for name in ODD.values():
        ran = figure("outputs", f"--clip={name}", "--output=figure.png", "--frames=2")
        assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    "name", [ODD[key] for key in ("quotes", "newline", "emoji", "signs", "longest")]
)
def test_folders_of_any_name(name: str, run: Run) -> None:
    (Path(name)).mkdir()
    videos, outputs = Path(name) / name, Path(name) / f"{name[:20]} out"
    faults.write_clip(videos / "up-1", 90)
    whole = str(Path(name).absolute())
    asked = (
        *faults.OWN,
        quoted("videos_dir", str(Path(whole) / name)),
        quoted("outputs_dir", str(Path(whole) / outputs.name)),
    )
    ran = run(*asked)
    assert ran.code == 0, ran.err
    ran = run("-m", *asked, "method=grad,center")
    assert ran.code == 0, ran.err
    assert "already done" in ran.out
    found = sorted(path.parts[-3] for path in outputs.glob("results/*/*/*/*/result.json"))
    assert found == ["center", "grad"]
    assert len(list(outputs.glob("sweeps/*/summary.csv"))) == 1
    assert not Path("outputs").exists()


def test_every_command_in_a_folder_of_an_odd_name(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = Path(" ".join(ODD[key] for key in ("quotes", "newline", "emoji")))
    here.mkdir()
    monkeypatch.chdir(here)
    faults.write_clip(Path("videos/up-1"), 90)
    assert run(*faults.OWN, "videos_dir=videos").code == 0
    for name, main, arguments in (
        ("videxplain-evaluate", evaluate_cli.main, ("metrics=[gini]", "plugins=[tests]")),
        ("videxplain-report", report_cli.main, ()),
        ("videxplain-figure", figure_cli.main, ("--output=figure.png", "--frames=2")),
    ):
        ran = runner(name, main, monkeypatch, capsys)("outputs", *arguments)
        assert ran.code == 0, (name, ran.err)


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    faults.write_clip(Path(os.fsdecode(os.fsencode(tmp_path) + b"/videos/up-\xff")), 90)
    with pytest.raises(DataError, match=r"up-.udcff' is no text in this locale: rename"):
        find_videos(str(tmp_path / "videos"))


def test_a_path_that_is_no_text_can_be_told_of(tmp_path: Path) -> None:
    value = {"error": f"{os.fsdecode(b'/up-' + bytes([255]))} is no video", "é": "現"}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert "現" in (tmp_path / "a.json").read_text(encoding="utf-8")


def command(**environment: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "videxplain", *faults.OWN, "videos_dir=videos"],
        check=False,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **environment},
    )


def test_a_terminal_that_lacks_a_character(run: Run) -> None:
    clip = faults.write_clip(Path("videos") / f"up-{ODD['emoji']}", 90)
    assert run(*faults.OWN, "videos_dir=videos", "outputs_dir=whole/outputs").code == 0
    done = command(LC_ALL="C", PYTHONIOENCODING="ascii", TZ="nowhere/at all")
    assert (done.returncode, done.stderr) == (0, b"")
    assert clip.name.encode("ascii", "backslashreplace")[:12] in done.stdout
    assert contents(Path()) == contents(Path("whole"))


def test_a_locale_that_knows_no_such_name(run: Run) -> None:
    del run  # which enters an empty folder
    faults.write_clip(Path("videos") / f"up-{ODD['emoji']}", 90)
    done = command(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", TZ="Pacific/Kiritimati")
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert b"is no text in this locale: rename it, or set PYTHONUTF8=1 if" in done.stderr


def test_two_sweeps_of_one_second_keep_two_accounts(run: Run) -> None:
    """As they do when a clock is set back."""
    asked = ("-m", "data=shapes", "data.num_clips=1", "logger=none", "report=false")
    for method in ("center", "random"):
        assert run(*asked, f"method={method}").code == 0
        assert [row["method"] for row in summary()] == [method]
    first, second = (path.name for path in sorted(Path("outputs/sweeps").iterdir()))
    assert first != second
    assert len(first.rpartition(".")[2]) == 6, "a name of microseconds, so that no two are equal"
    assert len(records(Path())) == 2
