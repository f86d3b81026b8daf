"""Clips that vanish or change, networks that answer nonsense, and memory that is not enough."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests import faults
from tests.commands import Run, runner
from tests.outputs import contents, records, results
from tests.videos import write_video
from videxplain import cli
from videxplain.models.classifier import VideoClassifier

JOB = (*faults.OWN, "videos_dir=videos")
LEVELS = {"a": 30, "b": 120, "c": 250}
"""Greys of three clips; the third is the bright one."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    for name, level in LEVELS.items():
        faults.write_clip(Path("videos") / name, level)
    return runner("videxplain", cli.main, monkeypatch, capsys)


def clips_done() -> list[str]:
    return sorted(path.name[0] for path in records(Path()))


def bright(frames: Tensor) -> Tensor:
    return frames.mean((1, 2, 3, 4)) > 1


@pytest.mark.parametrize(
    ("value", "said", "batch_size"),
    [(np.nan, "NaN", 1), (np.inf, "infinity", 2), (-np.inf, "minus infinity", 3)],
)
def test_a_clip_with_scores_that_are_no_numbers_is_left_out(
    value: float, said: str, batch_size: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(frames: Tensor, logits: Tensor) -> Tensor:
        wrong = torch.zeros_like(logits, dtype=torch.bool)
        wrong[bright(frames), 2] = True
        return logits.masked_fill(wrong, value)

    monkeypatch.setattr(faults, "fault", answer)
    ran = run(*JOB, f"batch_size={batch_size}")
    assert ran.code == 2
    assert ran.err == (
        "videxplain: 1 of 3 clips cannot be explained, the others are done: the network gives "
        f"{said} for 'c', its score of class 'c': check its weights, and the clip\n"
    )
    assert clips_done() == ["a", "b"]
    assert not results()
    monkeypatch.setattr(faults, "fault", faults.nothing)
    assert run(*JOB, f"batch_size={batch_size}").code == 0
    assert clips_done() == ["a", "b", "c"]
    assert run(*JOB, "outputs_dir=whole/outputs").code == 0
    assert contents(Path()) == contents(Path("whole"))


def test_a_clip_whose_gradient_is_no_number_is_left_out(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(frames: Tensor, logits: Tensor) -> Tensor:
        zero = logits - logits.detach()
        return logits + torch.where(bright(frames)[:, None], zero, zero + 1).sqrt()

    monkeypatch.setattr(faults, "fault", answer)
    ran = run(*JOB)
    assert ran.code == 2
    assert "the others are done: grad finds values that are NaN or infinite for 'c': " in ran.err
    assert clips_done() == ["a", "b"]


def test_several_clips_that_fail_are_counted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "fault", lambda _, logits: logits * torch.nan)
    ran = run(*JOB, "batch_size=2")
    assert ran.code == 2
    assert "3 of 3 clips cannot be explained: the network gives NaN for 'a'" in ran.err
    assert "; and 2 more, see " in ran.err
    log = Path(ran.err.split("see ")[-1].strip())
    assert log.read_text().count("is left out: the network gives NaN") == 3


def test_a_sweep_tells_clips_that_fail(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "fault", lambda frames, logits: logits / ~bright(frames)[:, None])
    ran = run("-m", *JOB, "method=center,grad")
    assert ran.code == 1
    assert "2 of 2 jobs are not done" in ran.err
    assert "1 of 3 clips cannot be explained, the others are done" in ran.err
    assert clips_done() == ["a", "a", "b", "b"]


def vanish(clip: Path) -> None:
    shutil.rmtree(clip) if clip.is_dir() else clip.unlink()


def change(clip: Path) -> None:
    if clip.is_dir():
        faults.write_clip(clip, 77)
    else:
        write_video(clip, 30, size=(32, 32))


def lose_a_frame(clip: Path) -> None:
    if clip.is_dir():
        (clip / "1.png").unlink()
    else:
        clip.write_bytes(clip.read_bytes()[:500])


@pytest.mark.parametrize("kind", ["folder", "file"])
@pytest.mark.parametrize("happens", [vanish, change, lose_a_frame])
def test_a_clip_that_is_not_what_was_listed_is_left_out(
    kind: str, happens: Callable[[Path], None], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = Path("videos/b")
    if kind == "file":
        shutil.rmtree(clip)
        clip = write_video(Path("videos/b.mp4"), 10, size=(32, 32))

    def after_listing(_frames: Tensor, logits: Tensor) -> Tensor:
        monkeypatch.setattr(faults, "fault", faults.nothing)
        happens(clip)
        return logits

    monkeypatch.setattr(faults, "fault", after_listing)
    ran = run(*JOB, "batch_size=1")
    assert ran.code == 2
    assert ran.err == (
        "videxplain: 1 of 3 clips cannot be explained, the others are done: "
        f"{clip} was changed or removed since it was listed: start again\n"
    )
    assert clips_done() == ["a", "c"]


@pytest.mark.parametrize("room", [1, 2])
def test_a_batch_that_does_not_fit_is_halved(
    room: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cramped(frames: Tensor, logits: Tensor) -> Tensor:
        if len(frames) > room:
            raise torch.OutOfMemoryError
        return logits

    monkeypatch.setattr(faults, "fault", cramped)
    ran = run(*JOB, "batch_size=3")
    assert ran.code == 0
    told = "out of memory with 3 clips at a time: going on with 1; batch_size=1 spares the attempt"
    assert ran.out.count("out of memory") == ran.out.count(told) == 1
    monkeypatch.setattr(faults, "fault", faults.nothing)
    assert run(*JOB, "batch_size=3", "outputs_dir=whole/outputs").code == 0
    assert contents(Path()) == contents(Path("whole"))


def test_a_batch_that_cannot_be_prepared_is_halved(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures of a batch lie on the device too, before the network sees them."""
    prepare = VideoClassifier.preprocess

    def cramped(self: VideoClassifier, videos: list[object]) -> object:
        if len(videos) > 1:
            raise MemoryError
        return prepare(self, videos)  # type: ignore[arg-type]

    monkeypatch.setattr(VideoClassifier, "preprocess", cramped)
    ran = run(*JOB, "batch_size=2")
    assert ran.code == 0
    assert ran.out.count("out of memory with 2 clips at a time: going on with 1; batch_size=1") == 1
    assert clips_done() == ["a", "b", "c"]
    (result,) = results()
    assert [row["clip"] for row in json.loads(result.read_text())["records"]] == ["a", "b", "c"]


def test_a_clip_that_does_not_fit_alone_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_frames: Tensor, _logits: Tensor) -> Tensor:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(faults, "fault", full)
    ran = run(*JOB, "batch_size=3")
    assert ran.code == 2
    assert ran.err == (
        "videxplain: the device has not the memory for one clip at a time: give smaller clips "
        "(model.frames, model.size) or device=cpu\n"
    )
