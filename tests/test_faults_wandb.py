"""Weights & Biases that fails at every call; what is on disk is whole all the same."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb
from wandb.sdk.wandb_summary import SummaryDict

from tests import faults
from tests.commands import Run, runner
from tests.outputs import contents, results
from tests.processes import ended, start, told, wait_until
from videxplain import cli
from videxplain.sinks import wandb as sinks
from videxplain.sinks.disk import DiskSink

JOB = (
    *(*faults.OWN, "videos_dir=videos", "method=3d_ep", "num_iter=2", "logger=wandb"),
    "logger.attributions=true",
)
BROKEN = {
    "init": (wandb, "init"),
    "settings": (wandb, "Settings"),
    "define_metric": (wandb.Run, "define_metric"),
    "log": (wandb.Run, "log"),
    "image": (wandb, "Image"),
    "video": (wandb, "Video"),
    "table": (wandb.Table, "__init__"),
    "summary": (SummaryDict, "__setitem__"),
    "artifact": (wandb.Artifact, "__init__"),
    "log_artifact": (wandb.Run, "log_artifact"),
    "finish": (wandb.Run, "finish"),
}
"""Every call that the logger makes, in the order of a job."""


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    for name in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / name))
    faults.write_clip(Path("videos/a"), 90)
    yield runner("videxplain", cli.main, monkeypatch, capsys)
    assert not loggers(), "no thread outlives its job"


def fail(*_: object, **__: object) -> None:
    message = "the server is gone"
    raise OSError(message)


def check_done(run: Run, said: str) -> None:
    """The job is as it is without a logger, and it is said once that nothing is logged."""
    ran = run(*JOB)
    assert ran.code == 0, ran.err
    assert ran.out.count("W&B logs no more of this job (") == 1
    assert said in ran.out
    assert "Traceback" not in ran.out + ran.err
    assert len(results()) == 1
    quiet = [each for each in JOB if not each.startswith("logger")]
    assert run(*quiet, "logger=none", "outputs_dir=whole/outputs").code == 0
    assert contents(Path()) == contents(Path("whole"))


@pytest.mark.parametrize("call", BROKEN)
def test_a_call_that_fails_costs_the_log_alone(
    call: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name = BROKEN[call]
    monkeypatch.setattr(owner, name, fail)
    check_done(run, "W&B logs no more of this job (OSError: the server is gone)")


def test_a_package_that_cannot_be_imported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    check_done(run, "W&B logs no more of this job (ModuleNotFoundError: ")


def test_its_process_is_killed(run: Run, tmp_path: Path) -> None:
    folders = {f"WANDB_{name}_DIR": str(tmp_path / name) for name in ("DATA", "CACHE", "CONFIG")}
    slow = [each.replace("num_iter=2", "num_iter=200") for each in JOB]
    process = start(tmp_path, *slow, "early_stop=false", **folders)
    wait_until(lambda: "explaining" in told(tmp_path, process) and bool(helpers(process.pid)))
    for helper in helpers(process.pid):
        os.kill(helper, signal.SIGKILL)
    assert ended(process) == 0
    said = told(tmp_path, process)
    assert said.count("W&B logs no more of this job (") == 1
    assert len(results()) == 1
    quiet = [each for each in slow if not each.startswith("logger")]
    assert run(*quiet, "early_stop=false", "logger=none", "outputs_dir=whole/outputs").code == 0
    assert contents(Path()) == contents(Path("whole"))


def test_a_job_that_fails_does_not_wait_for_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(wandb, "init", lambda **_: hangs.wait())
    monkeypatch.setattr(sinks, "_PATIENCE", 0.2)
    monkeypatch.setattr(DiskSink, "write", fail)
    with pytest.raises(OSError, match="the server is gone"):
        run(*JOB)
    assert (
        "W&B logs no more of this job (TimeoutError: it is still busy)" in capsys.readouterr().out
    )
    hangs.set()
    for thread in loggers():
        thread.join(10)
    assert not capsys.readouterr().out, "nothing is said in the jobs that follow"


def test_pictures_that_cannot_be_held(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch waits to be logged in the computer's memory, of which there may be too little."""

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(sinks, "_on_cpu", full)
    check_done(run, "W&B logs no more of this job (MemoryError")


def loggers() -> list[threading.Thread]:
    """Threads that log."""
    return [each for each in threading.enumerate() if each.name == "wandb"]


def helpers(parent: int | None) -> list[int]:
    """W&B's own processes."""
    threads = Path(f"/proc/{parent}/task").glob("*/children")
    children = [each for thread in threads for each in told_by(thread).split()]
    return [int(each) for each in children if "wandb-core" in told_by(f"/proc/{each}/cmdline")]


def told_by(path: str | Path) -> str:
    """What a process says of itself; nothing once it is gone."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""
