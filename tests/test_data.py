"""Videos and frame folders: every container, odd shapes, labels, sampling, and what is refused."""

import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.videos import CODECS, grey, indices_seen, write_video
from videxplain.data import decoder
from videxplain.data.files import find_videos, read_video
from videxplain.errors import DataError
from videxplain.sampling import RULES, sample


def write_frames(folder: Path, names: list[str], size: tuple[int, int] = (30, 40)) -> Path:
    folder.mkdir(parents=True)
    for index, name in enumerate(names):
        Image.new("RGB", size[::-1], (grey(index),) * 3).save(folder / name)
    return folder


@pytest.mark.parametrize("suffix", CODECS)
def test_every_container(tmp_path: Path, suffix: str) -> None:
    video = read_video(write_video(tmp_path / f"clip{suffix}", 40))
    assert video.length == 40
    frames = video.read([0, 7, 8, 39])
    assert frames.shape == (4, 48, 64, 3)
    assert frames.dtype == np.uint8
    assert indices_seen(frames) == [0, 7, 8, 39]


@pytest.mark.parametrize("size", [(96, 54), (57, 101), (16, 200)])
def test_portrait_and_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    video = read_video(write_video(tmp_path / "clip.mp4", 20, size))
    assert video.read([3, 19]).shape == (2, *size, 3)


def test_variable_frame_rate(tmp_path: Path) -> None:
    times = [index * 2 + (7 * (index // 5)) for index in range(30)]
    for suffix in (".mp4", ".mkv", ".webm"):
        video = read_video(write_video(tmp_path / f"clip{suffix}", 30, times=times))
        assert video.length == 30
        assert indices_seen(video.read(list(range(30)))) == list(range(30))


def test_colours_are_red_green_blue(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    Image.new("RGB", (16, 16), (250, 10, 30)).save(folder / "1.png")
    assert read_video(folder).read([0])[0, 0, 0].tolist() == [250, 10, 30]


def test_a_long_video_is_not_decoded_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = read_video(write_video(tmp_path / "clip.mp4", 1200, size=(32, 32)))
    wanted = [5, 600, 1190]
    assert indices_seen(video.read(wanted)) == [index % 50 for index in wanted]
    monkeypatch.setattr(decoder, "cv2", Counting(cv2))
    found = np.stack([*decoder.frames(tmp_path / "clip.mp4", wanted, may_seek=True)])
    assert np.array_equal(found, video.read(wanted))
    assert 0 < Counting.decoded < 20


class Counting:
    """OpenCV, but it counts the frames that are decoded on demand."""

    decoded = 0

    def __init__(self, module: Any) -> None:  # noqa: ANN401
        self._module = module

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        Counting.decoded += name in ("grab", "read")
        if name == "VideoCapture":
            return lambda *arguments: Counting(self._module.VideoCapture(*arguments))
        return getattr(self._module, name)


@pytest.mark.parametrize(
    "names", [["9.png", "10.png", "100.png"], ["f_2.jpg", "f_11.jpg"], ["a1b2.JPG", "a1b10.JPG"]]
)
def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path, names: list[str]) -> None:
    folder = write_frames(tmp_path / "playing guitar-7", names)
    video = read_video(folder)
    assert video.label == "playing guitar"
    assert video.length == len(names)
    assert indices_seen(video.read(range(len(names)))) == list(range(len(names)))


def test_a_path_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_frames(tmp_path / "ironing-a", ["1.png"])
    assert read_video("~/ironing-a").name == "ironing-a"


def test_a_folder_of_everything(tmp_path: Path) -> None:
    write_frames(tmp_path / "ironing-a", ["1.png"])
    write_frames(tmp_path / "no label", ["1.png"])
    write_video(tmp_path / "archery-x.mp4", 4)
    (tmp_path / "TaiChi").mkdir()
    write_video(tmp_path / "TaiChi" / "v_01.avi", 4)
    (tmp_path / ".hidden.mp4").write_text("")
    (tmp_path / "notes.txt").write_text("")
    found = {video.name: video.label for video in find_videos(str(tmp_path))}
    assert found == {
        "ironing-a": "ironing",
        "no label": None,
        "archery-x.mp4": "archery",
        "TaiChi/v_01.avi": "TaiChi",
    }
    assert len(find_videos(str(tmp_path / "archery-x.mp4"))) == 1
    assert len(find_videos(str(tmp_path / "ironing-a"))) == 1


def test_a_picture_beside_videos_hides_none(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 4)
    Image.new("RGB", (20, 20)).save(tmp_path / "poster.jpg")
    assert [video.name for video in find_videos(str(tmp_path))] == ["a.mp4"]


def test_one_message_names_the_broken_files(tmp_path: Path) -> None:
    write_video(tmp_path / "good.mp4", 4)
    for name in "ab":
        (tmp_path / f"{name}.mp4").write_text("not a video")
    broken = r"a\.mp4 cannot be opened.*\n.*b\.mp4 cannot be opened.*"
    with pytest.raises(DataError, match=rf"{broken}\nnothing is explained yet: take these away"):
        find_videos(str(tmp_path))


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", 100).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be opened"):
        read_video(tmp_path / "cut.mp4")
    early = write_video(tmp_path / "early.mp4", 100, options={"movflags": "faststart"})
    moved = early.read_bytes()
    pictures = moved.find(b"mdat")
    early.write_bytes(moved[: (pictures + len(moved)) // 2])
    with pytest.raises(DataError, match="states 100 frames and holds"):
        read_video(early)


@pytest.mark.parametrize(
    ("size", "shown"), [((1, 1), "1 x 1"), ((4, 40), "40 x 4"), ((9000, 9000), "9000 x 9000")]
)
def test_impossible_sizes(tmp_path: Path, size: tuple[int, int], shown: str) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    Image.new("L", size[::-1]).save(folder / "1.png")
    with pytest.raises(DataError, match=f"frames of {shown} pixels: give at least 8 a side"):
        read_video(folder)


def test_broken_and_unequal_pictures(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "clip", ["1.png", "2.png", "3.png"])
    (folder / "3.png").write_bytes((folder / "1.png").read_bytes()[:60])
    video = read_video(folder)
    with pytest.raises(DataError, match=r"3\.png cannot be decoded"):
        video.read([2])
    Image.new("RGB", (10, 10)).save(folder / "2.png")
    with pytest.raises(DataError, match="another size than the folder's first"):
        read_video(folder)
    (folder / "1.png").write_text("text")
    with pytest.raises(DataError, match="not a readable picture"):
        read_video(folder)


def test_missing_and_empty(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        find_videos(str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="holds no video"):
        find_videos(str(tmp_path))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("length", [1, 5, 16, 17, 31, 64, 300])
def test_sampling_stays_inside(rule: str, length: int) -> None:
    indices = sample(rule, length, 16, stride=8, name="clip")  # type: ignore[arg-type]
    assert len(indices) == 16
    assert 0 <= min(indices) <= max(indices) < length


def test_sampling_by_hand() -> None:
    assert RULES["uniform"](16, 4, 1) == [2, 6, 10, 14]
    assert RULES["center"](10, 4, 1) == [3, 4, 5, 6]
    assert RULES["dense"](100, 8, 8) == [18, 26, 34, 42, 50, 58, 66, 74]
    assert RULES["dense"](40, 8, 8) == [0, 8, 16, 24, 32, 0, 8, 16]
    assert RULES["published"](35, 16, 1) == list(range(4, 35, 2))
    assert RULES["uniform"](335, 20, 1)[:2] == [8, 25]


def test_too_few_frames_are_repeated_and_it_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert sample("center", 3, 6, stride=1, name="short") == [0, 0, 1, 1, 2, 2]
    assert "short has 3 frames, the network sees 6" in caplog.text


def test_real_videos(shared: Path) -> None:
    lengths = {video.name: video.length for video in find_videos(str(shared / "data" / "videos"))}
    assert lengths["swing.mp4"] == 335
    assert lengths["flipping_a_pancake.mkv"] == 310
    assert lengths["apply_eye_makeup.avi"] == 164
    portrait = read_video(shared / "data" / "videos" / "deadlifting_portrait.mp4")
    assert portrait.read([0]).shape == (1, 256, 144, 3)


@pytest.mark.parametrize("name", ["swing.mp4", "flipping_a_pancake.mkv", "archery.avi"])
def test_seeking_and_decoding_agree(
    shared: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shared / "data" / "videos" / name
    wanted = [3, 60, read_video(path).length - 2]
    decoded = read_video(path).read(wanted)
    monkeypatch.setattr(decoder, "_SEEK_BEYOND", 10)
    assert np.array_equal(np.stack([*decoder.frames(path, wanted, may_seek=True)]), decoded)
