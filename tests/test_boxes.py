"""Boxes that say where the evidence in the user's own videos is."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commands import Run, runner
from tests.outputs import results
from videxplain import cli, evaluate_cli
from videxplain.data.files import find_videos
from videxplain.errors import DataError


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Two frame folders of 10 pictures of 40 x 24 pixels (width, height)."""
    for name in ("a", "b.c"):
        folder = tmp_path / "videos" / name
        folder.mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (40, 24), (9 * number, 99, 9)).save(folder / f"{number}.png")
    return tmp_path / "videos"


def boxes(tmp_path: Path, *lines: str, header: str = "clip,frame,x0,y0,x1,y1") -> str:
    path = tmp_path / "boxes.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return str(path)


def test_boxes_become_the_truth(videos: Path, tmp_path: Path) -> None:
    path = boxes(tmp_path, "a,2,3,5,10,8", "a,2,30,0,99,2", "a,4,0.5,0,1.2,1")
    first, second = find_videos(str(videos), boxes=path)
    assert first.read_truth is not None
    assert second.read_truth is not None
    wanted = np.zeros((3, 24, 40), dtype=bool)
    wanted[0, 5:8, 3:10] = True
    wanted[0, :2, 30:] = True
    wanted[2, 0, :2] = True
    assert (first.read_truth([2, 3, 4]) == wanted).all()
    assert not second.read_truth([0, 9]).any()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["a,2,3,5,3,8"], "line 2: give a frame from 0, and numbers with 0 <= x0 < x1"),
        (["a,0,0,0,1,1", "a,-1,3,5,4,8"], "line 3: give a frame"),
        (["a,2,x,5,4,8"], "line 2: give a frame"),
        (["a,2,nan,5,4,8"], "line 2: give a frame"),
        (["a,2,0,0,inf,8"], "line 2: give a frame"),
        (["a,2,3"], "line 2: give a frame"),
        (["a,10,3,5,4,8"], "a has no frame 10: it has 10, from 0"),
        (["z,1,3,5,4,8"], "has boxes of z: none is there"),
        ([], "has boxes of no clip: none is there"),
    ],
)
def test_a_wrong_line_is_told(lines: list[str], told: str, videos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=told):
        find_videos(str(videos), boxes=boxes(tmp_path, *lines))


def test_a_share_may_have_no_box(videos: Path, tmp_path: Path) -> None:
    path = boxes(tmp_path, "a,2,3,5,10,8")
    (second,) = find_videos(str(videos), shard="2/2", boxes=path)
    assert second.name == "b.c"
    assert second.read_truth is not None
    assert not second.read_truth([2]).any()


def test_a_folder_that_cannot_be_read_is_told() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        (root / "lost+found").mkdir(mode=0o700)
        (root / "lost+found").chmod(0 if os.geteuid() else 0o700)
        me = os.geteuid()
        if me == 0:
            os.seteuid(65534)  # to root permissions are nothing
        try:
            with pytest.raises(
                DataError, match=r"lost\+found cannot be read \(Permission denied\)"
            ):
                find_videos(folder)
        finally:
            os.seteuid(me)


def test_frames_are_asked_for_in_their_order(videos: Path) -> None:
    video, _ = find_videos(str(videos))
    assert len(video.read([0, 3, 9])) == 3
    for wrong in ([], [3, 0], [3, 3], [-1], [10]):
        with pytest.raises(DataError, match="give some from 0 to 9, ascending"):
            video.read(wrong)


def test_a_wrong_file_is_told(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lacks the columns x1, y1"):
        find_videos(str(videos), boxes=boxes(tmp_path, header="clip,frame,x0,y0"))
    with pytest.raises(DataError, match="cannot be read"):
        find_videos(str(videos), boxes=str(tmp_path / "none.csv"))
    with pytest.raises(DataError, match="cannot be read"):
        find_videos(str(videos), boxes=str(videos))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner("videxplain", cli.main, monkeypatch, capsys)


@pytest.fixture
def asked(videos: Path, tmp_path: Path) -> tuple[str, ...]:
    """Boxes in the middle of the frames, where `center` points."""
    path = boxes(tmp_path, *(f"a,{frame},15,7,25,17" for frame in range(10)))
    files = ("data=files", f"videos_dir={videos}", f"data.boxes={path}", "target=predicted")
    return (*files, "method=center")


def test_boxes_are_measured_against(run: Run, asked: tuple[str, ...]) -> None:
    ran = run(*asked, "metrics=[pointing_game,energy_inside]")
    assert ran.code == 0
    a, b = (line for line in ran.out.splitlines() if line.startswith(("a  ", "b.c  ")))
    assert a.split()[-2] == "1.000"
    assert b.split()[-2:] == ["-", "-"]


def test_other_boxes_are_another_job(
    run: Run,
    asked: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The same file with other lines; what was measured against the old ones is not mixed."""
    evaluate: Run = runner("videxplain-evaluate", evaluate_cli.main, monkeypatch, capsys)
    assert "1.000" in run(*asked, "metrics=[pointing_game]").out
    (first,) = results()
    assert "already done" in run(*asked, "metrics=[pointing_game]").out
    boxes(tmp_path, *(f"a,{frame},9,0,13,4" for frame in range(10)))
    ran = evaluate(str(first.parent), "metrics=[energy_inside]")
    assert ran.code == 2
    assert "with the data.boxes that it had" in ran.err
    assert "0.000" in run(*asked, "metrics=[pointing_game]").out
    assert len(results()) == 2


def test_boxes_in_frames_that_are_not_seen_are_told(
    videos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = find_videos(str(videos), boxes=boxes(tmp_path, "a,2,3,5,10,8"))
    assert first.read_truth is not None
    assert second.read_truth is not None
    assert not first.read_truth([0, 1]).any()
    assert not second.read_truth([0, 1]).any()
    assert caplog.messages == ["no box of a lies in a frame that the network sees (0, 1)"]
    caplog.clear()
    assert first.read_truth([1, 2]).any()
    assert not caplog.messages
