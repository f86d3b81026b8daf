"""How commands end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import processes
from videxplain.commands import told
from videxplain.errors import ConfigError


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_told(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(SystemExit) as stop, told("videxplain-report"):
        os.kill(os.getpid(), number)
    assert stop.value.code == 130
    assert capsys.readouterr().err == (
        "\nvidexplain-report: stopped; what is finished is kept, the same command goes on from "
        "there\n"
    )
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_mistake_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    message = "outputs holds no results"
    with pytest.raises(SystemExit) as stop, told("videxplain-report"):
        raise ConfigError(message)
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"videxplain-report: {message}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_job_says_so_and_keeps_its_clips(number: int, tmp_path: Path) -> None:
    asked = ("data=shapes", "data.num_clips=300", "method=center", "threads=1", "batch_size=1")
    process = processes.start(tmp_path, *asked)
    finished = "outputs/results/shapes/tiny_tsm/center/*/records/*.json"
    processes.wait_until(lambda: len(list(tmp_path.glob(finished))) > 1)
    os.kill(process.pid or 0, number)
    assert processes.ended(process) == 130
    said = processes.told(tmp_path, process)
    assert "videxplain: stopped; what is finished is kept" in said
    assert "Traceback" not in said
    assert len(list(tmp_path.glob(finished))) < 300


SPEAKS = """
import logging, sys
from pathlib import Path
from tqdm import tqdm
from videxplain.commands import told
with told("videxplain"):
    logging.basicConfig(stream=sys.stdout)
    for number in range(10000):
        tqdm.write("a line")
        logging.warning("another")
        print("a third", file=sys.stderr)
    Path("done").touch()
"""


@pytest.mark.parametrize("option", ["-u", "-B"])  # unbuffered, and as ever
@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_readers_may_go_away(tmp_path: Path, closed: str, option: str) -> None:
    """As `head` does: the command goes on to its end, and says nothing of it."""
    environment = {each: value for each, value in os.environ.items() if each != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        [sys.executable, option, "-c", SPEAKS],
        cwd=tmp_path,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        left, read = (process.stdout, process.stderr)[:: 1 if closed == "stdout" else -1]
        assert left is not None
        assert read is not None
        left.readline()
        left.close()
        said = set(read.read().splitlines())
    assert said == ({"a third"} if closed == "stdout" else {"a line", "WARNING:root:another"})
    assert process.returncode == 0
    assert (tmp_path / "done").exists()
