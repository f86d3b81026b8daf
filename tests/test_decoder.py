"""A decoder that hangs or crashes takes neither the program nor the other clips with it.

A named pipe that nobody writes to is a file that hangs any decoder when it is opened.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.commands import Run, runner
from tests.test_data import write_frames
from tests.videos import indices_seen, write_video
from videxplain import cli
from videxplain.data import decoder, decoder_process
from videxplain.data.files import find_videos, read_video
from videxplain.errors import DataError


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner("videxplain", cli.main, monkeypatch, capsys)


def pipe(path: Path) -> Path:
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


def running() -> subprocess.Popen[bytes]:
    """The decoder's process."""
    started = decoder_process._own()._running
    assert started is not None
    return started[0]


def kill_soon(number: int) -> None:
    """Kill the decoder a while after it was asked something."""
    threading.Timer(0.5, os.kill, (running().pid, number)).start()


def test_a_file_that_hangs_the_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = write_video(tmp_path / "good.mp4", 8)
    monkeypatch.setattr(decoder_process, "_PATIENCE", 0.5)
    start = time.perf_counter()
    with pytest.raises(DataError, match=r"a\.mp4 hangs the decoder, .* for 0\.5 s: re-encode or"):
        read_video(pipe(tmp_path / "a.mp4"))
    assert time.perf_counter() - start < 10
    assert read_video(good).length == 8, "the next file is read all the same"


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_file_that_crashes_the_decoder(tmp_path: Path, number: signal.Signals) -> None:
    good = read_video(write_video(tmp_path / "good.mp4", 8))
    kill_soon(number)
    with pytest.raises(DataError, match=rf"a\.mp4 crashes the decoder \({number.name}\): re-enc"):
        read_video(pipe(tmp_path / "a.mp4"))
    assert indices_seen(good.read([0, 7])) == [0, 7]


def test_a_decoder_that_died_since_is_started_again(tmp_path: Path) -> None:
    video = read_video(write_video(tmp_path / "good.mp4", 8))
    first = running()
    first.kill()
    first.wait()
    assert indices_seen(video.read([3])) == [3]
    assert running() != first


def test_only_work_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_process, "_PATIENCE", 0.5)
    video = read_video(write_video(tmp_path / "good.mp4", 8))
    first = running()
    for _ in range(2):
        time.sleep(0.7)
        assert indices_seen(video.read([3, 5])) == [3, 5]
    assert running() == first


def test_every_file_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "good.mp4", 8)
    read_video(tmp_path / "good.mp4")
    pipe(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_text("no video")
    monkeypatch.setattr(decoder_process, "_PATIENCE", 0.5)
    with pytest.raises(DataError, match=r"a\.mp4 hangs .*\n.*b\.mp4 cannot be opened"):
        find_videos(str(tmp_path))


def test_an_interrupted_answer_is_not_taken_for_the_next(tmp_path: Path) -> None:
    first = read_video(write_video(tmp_path / "first.mp4", 40, size=(480, 640)))
    second = read_video(write_video(tmp_path / "second.mp4", 20, size=(32, 48)))
    fill = decoder_process._fill

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder_process, "_fill", interrupted)
        with pytest.raises(KeyboardInterrupt):
            first.read(range(40))
    assert decoder_process._fill is fill
    assert second.read([19]).shape == (1, 32, 48, 3)


def test_threads_and_forks_get_their_own_frames(tmp_path: Path) -> None:
    video = read_video(write_video(tmp_path / "good.mp4", 40, size=(96, 128)))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda index: indices_seen(video.read([index])), range(40)))
    assert found == [[index] for index in range(40)]
    script = (
        "import os, sys, videxplain as vx\n"
        "video = vx.read_video(sys.argv[1])\n"
        "child = os.fork()\n"
        "right = all(abs(video.read([i]).mean() - 20 - 4 * i) < 3 for i in range(40))\n"
        "os._exit(not right) if child == 0 else None\n"
        "sys.exit(not right or os.waitpid(child, 0)[1])\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, str(tmp_path / "good.mp4")]
    subprocess.run(command, check=True, timeout=60)


def test_no_process_outlives_the_program(tmp_path: Path) -> None:
    write_video(tmp_path / "good.mp4", 4)
    script = (
        "import videxplain as vx; vx.read_video('good.mp4')\n"
        "from videxplain.data import decoder_process\n"
        "print(decoder_process._own()._running[0].pid)"
    )
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", script]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    with pytest.raises(ProcessLookupError):
        os.kill(int(ran.stdout), 0)


def test_modules_beside_the_videos_are_not_run(tmp_path: Path) -> None:
    """The folder that a command runs in is data, not code."""
    write_video(tmp_path / "good.mp4", 4)
    for name in ("cv2", "numpy", "json"):
        (tmp_path / f"{name}.py").write_text(f"open('ran-{name}', 'w')\n")
    command = [sys.executable, "-P", "-c", "import videxplain as vx; vx.read_video('good.mp4')"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert not list(tmp_path.glob("ran-*"))


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_run_goes_on_with_the_other_clips(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    """The second of three clips hangs when it is read; it was whole when it was opened."""
    (tmp_path / "v").mkdir()
    for name in ("up-1", "up-2", "up-3"):
        write_video(tmp_path / "v" / f"{name}.mp4", 8)
    find = decoder_process.look

    def then_hangs(path: Path) -> object:
        facts = find(path)
        if path.name == "up-2.mp4":
            pipe(path)
        return facts

    monkeypatch.setattr(decoder_process, "look", then_hangs)
    monkeypatch.setattr(decoder_process, "_PATIENCE", 0.5)
    ran = run("videos_dir=v", "method=center", f"batch_size={batch_size}", "metrics=[]")
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert "up-2.mp4 was changed or removed" in ran.err, "what explains that it hangs"
    (job,) = Path("outputs").glob("results/*/*/*/*")
    assert sorted(path.name[:4] for path in (job / "records").iterdir()) == ["up-1", "up-3"]
    assert json.loads((job / "status.json").read_text())["state"] == "failed"
    assert not (job / "result.json").exists()


def test_pictures_that_break_leave_the_others(run: Run, tmp_path: Path) -> None:
    for name in ("up-1", "up-2", "up-3", "up-4"):
        write_frames(tmp_path / "v" / name, ["1.png", "2.png"], size=(300, 300))
    for name in ("up-1", "up-3"):
        picture = tmp_path / "v" / name / "2.png"
        picture.write_bytes(picture.read_bytes()[:100])  # whole in its header only
    ran = run("videos_dir=v", "method=center", "metrics=[]")
    assert ran.code == 2
    assert "2 of 4 clips cannot be explained" in ran.err
    assert "up-1/2.png cannot be decoded" in ran.err
    (records,) = Path("outputs").glob("results/*/*/*/*/records")
    assert "up-3/2.png cannot be decoded" in (records.parent / "job.log").read_text()
    assert sorted(path.name[:4] for path in records.iterdir()) == ["up-2", "up-4"]
    write_frames(tmp_path / "w" / "up-1", ["1.png", "2.png"], size=(300, 300))
    for name in ("up-1", "up-3"):
        (tmp_path / "v" / name / "2.png").write_bytes((tmp_path / "w/up-1/2.png").read_bytes())
    before = {path: path.stat().st_mtime_ns for path in records.iterdir()}
    assert run("videos_dir=v", "method=center", "metrics=[]", "batch_size=1").code == 0
    assert all(path.stat().st_mtime_ns == written for path, written in before.items())
    assert len(list(records.iterdir())) == 4


def test_frames_are_whole(tmp_path: Path) -> None:
    """More than a socket holds, bit for bit what the decoder gives."""
    path = write_video(tmp_path / "large.mp4", 6, size=(721, 1279))
    found = read_video(path).read([0, 2, 5])
    wanted = np.stack([*decoder.frames(path, [0, 2, 5], may_seek=True)])
    assert np.array_equal(found, wanted)
