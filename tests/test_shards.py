"""Shares of a data set: several jobs explain it together, and their results are one."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.commands import Run, runner
from tests.outputs import results, summary
from videxplain import cli
from videxplain.report.site import write_report
from videxplain.report.summary import summarise

QUICK = ("data=shapes", "metrics=[visible_area]", "threads=1", "method=random", "logger=none")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner("videxplain", cli.main, monkeypatch, capsys)


def clips() -> list[str]:
    """That the whole is about, the last digits of their names."""
    (whole,) = results()
    return [row["clip"][-1] for row in json.loads(whole.read_text())["records"]]


def test_shares_of_the_clips_join_into_one_job(run: Run) -> None:
    many = ("data=shapes", "data.num_clips=5", "metrics=[visible_area]", "num_iter=2", "threads=1")
    cut = (*many, "method=step", "perturb_area=[0.1,0.3]", "logger=none", "batch_size=1")
    assert run("-m", *cut, "data.shard=1/3,3/3").code == 0
    assert not results()
    assert [row["clips"] for row in summary()] == ["3", "3"]  # both areas; two clips and one
    assert run("-m", *cut, "data.shard=1/3,2/3,3/3").code == 0
    (whole,) = results()
    rows = summary()
    assert [(row["area"], row["clips"], row["number"]) for row in rows] == [
        ("0.1", "5", "0"),
        ("0.3", "5", "0"),
    ]
    assert "shard" not in rows[0]["overrides"]
    shared = json.loads(whole.read_text())
    ran = run(*cut)
    assert "already done" in ran.out
    assert run(*cut, "overwrite=true", "outputs_dir=alone").code == 0
    (alone,) = Path("alone").glob("results/*/*/*/*/result.json")
    one = json.loads(alone.read_text())
    assert shared["records"] == one["records"]
    assert shared["config"]["data"] == one["config"]["data"]
    assert shared["timings"].keys() == one["timings"].keys()


def test_a_share_alone_is_shown(run: Run) -> None:
    ran = run(*QUICK, "data.num_clips=4", "data.shard=1/2")
    assert "there is no page" not in ran.out + ran.err
    (row,) = summarise(Path("outputs"))
    assert (row["state"], row["clips"], row["model"]) == ("done", 2, "tiny_tsm")
    (folder,) = Path("outputs/results").glob("*/*/*/*")
    assert (folder / "report/index.html").is_file()
    (folder / "shards/2-of-2").mkdir()
    (folder / "shards/2-of-2/status.json").write_text('{"state": "failed", "error": "broke"}')
    assert [row["state"] for row in summarise(Path("outputs"))] == ["done", "failed"]
    shutil.rmtree(folder / "shards/2-of-2")
    elsewhere = Path("copied").absolute()
    folder.rename(elsewhere)
    (row,) = summarise(elsewhere)
    assert (row["state"], row["method"]) == ("done", "random")
    assert write_report(elsewhere).is_file()


@pytest.mark.parametrize("shard", ["0/2", "3/2", "2", "1/0", "a/b", "1/2/3", "-1/2"])
def test_a_wrong_share_is_told(run: Run, shard: str) -> None:
    ran = run("data=shapes", f"data.shard={shard}")
    assert ran.code == 2
    assert f"data.shard={shard}: give i/n with i from 1 to n" in ran.err


def test_an_empty_share_is_told(run: Run) -> None:
    ran = run("data.num_clips=1", "data.shard=1/2", "data=shapes")
    assert ran.code == 2
    assert "data.shard=1/2 of 1 clip: give at most as many shares" in ran.err


def test_a_share_of_whatever_data_there_is(run: Run) -> None:
    ran = run("data.shard=2/2", "method=center", "metrics=[visible_area]")
    assert ran.code == 0
    assert "explaining 1 clip with" in ran.out


def test_shares_of_a_set_that_has_grown(run: Run, tmp_path: Path) -> None:
    """A new clip, first by its name, moves the others to other shares."""
    videos = tmp_path / "videos"
    videos.mkdir()
    asked = ("-m", *QUICK[1:], "videos_dir=videos", "target=predicted", "data.shard=1/2,2/2")
    for name in ("b", "d"):
        write_frames(videos / name)
    assert run(*asked).code == 0
    assert clips() == ["b", "d"]
    write_frames(videos / "a")
    assert run(*asked).code == 0
    assert clips() == ["a", "b", "d"]
    assert [row["clips"] for row in summary()] == ["3"]
    ran = run(*asked[:-1], "data.shard=null")
    assert ran.out.count("already done") == 1


def test_the_whole_and_a_share_are_counted_once(run: Run) -> None:
    many = (*QUICK, "data.num_clips=5")
    assert run(*many, "data.shard=1/3").code == 0
    assert run(*many).code == 0
    for shards in ("1/3,2/3,3/3", "1/3,null", "1/2,1/3"):
        assert run("-m", *many, f"data.shard={shards}").code == 0
        assert [row["clips"] for row in summary()] == ["5"], shards


def test_overlapping_shares_count_a_clip_once(run: Run) -> None:
    assert run("-m", *QUICK, "data.num_clips=6", "data.shard=1/2,1/3").code == 0
    assert [row["clips"] for row in summary()] == ["4"]  # 0, 2, 4 and 0, 3
    assert not results()


def test_a_whole_that_was_not_joined_is_joined_later(run: Run) -> None:
    asked = ("-m", *QUICK, "data.num_clips=2", "data.shard=1/2,2/2")
    assert run(*asked).code == 0
    (whole,) = results()
    before = whole.read_text()
    whole.unlink()
    ran = run(*asked)
    assert ran.out.count("already done") == 2
    assert whole.read_text() == before


def test_the_whole_computed_anew_forgets_its_shares(run: Run) -> None:
    many = (*QUICK, "data.num_clips=2")
    assert run("-m", *many, "data.shard=1/2,2/2").code == 0
    assert run(*many, "overwrite=true").code == 0
    assert not list(Path("outputs").glob("results/**/shards/*/result.json"))
    assert clips() == ["0", "1"]


def write_frames(folder: Path) -> None:
    folder.mkdir()
    for number in range(8):
        colour = (ord(folder.name) % 7 * 30, 20 * number, 90)
        Image.new("RGB", (32, 32), colour).save(folder / f"{number}.png")
