"""Disks that are full, and folders that cannot be written to."""

import os
from pathlib import Path

import pytest

from tests import faults
from tests.commands import Ran, Run, runner
from tests.outputs import contents, records, results, summary
from tests.test_sweep import check_whole
from videxplain import cli, sweep_cli

JOB = (
    *("data=shapes", "batch_size=1", "method=grad", "threads=1", "metrics=[visible_area]"),
    *("logger=none", "report=false"),
)
REFUSED = "Permission denied" if os.geteuid() else "Operation not permitted"
"""What the system says of a folder that `tests.faults` made read-only."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner("videxplain", cli.main, monkeypatch, capsys)


@pytest.fixture
def expected(run: Run) -> dict[str, list[bytes]]:
    """What a job leaves on a disk with room, in the folder ``whole``."""
    Path("whole").mkdir()
    assert run(*JOB, "outputs_dir=whole/outputs").code == 0
    return contents(Path("whole"))


def job_folder() -> Path:
    """Where the job of `expected` will be."""
    (result,) = results(Path("whole"))
    return result.parent.relative_to("whole")


def check_told(ran: Ran, reason: str) -> None:
    """In a sentence, and no traceback beside it."""
    assert ran.code == 2
    assert "Traceback" not in ran.out + ran.err
    (line,) = ran.err.splitlines()
    assert f"cannot be written ({reason}): free it, or choose another place with outputs" in line


def check_nothing_torn() -> None:
    check_whole(Path())
    assert not [path for path in Path("outputs").rglob(".*") if path.is_file()], "left over"


@pytest.mark.parametrize("part", ["attributions", "figures", "records"])
def test_a_disk_that_is_full_for_one_kind_of_file(
    part: str, run: Run, expected: dict[str, list[bytes]]
) -> None:
    with faults.small_disk(job_folder() / part, "4k") as resize:  # less than a picture
        check_told(run(*JOB), "No space left on device")
        check_nothing_torn()
        assert len(records(Path())) == (1 if part == "records" else 0)
        assert '"failed"' in (job_folder() / "status.json").read_text()
        resize("10m")
        assert run(*JOB).code == 0
        assert contents(Path()) == expected


def test_a_disk_that_fills_up(run: Run, expected: dict[str, list[bytes]]) -> None:
    needed = sum(path.stat().st_size for path in Path("whole").rglob("*.*"))
    with faults.small_disk(Path("outputs"), "8k") as resize:
        for size in (8 << 10, 24 << 10, needed // 2, needed * 3 // 4):
            resize(str(size))
            ran = run(*JOB)
            check_told(ran, "No space left on device")
            assert "status.json" not in ran.err, "what failed first is told"
            check_nothing_torn()
            assert not results()
        resize("10m")
        assert run(*JOB).code == 0
        assert contents(Path()) == expected


def test_a_summary_that_does_not_fit(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_sweep = runner("videxplain-sweep", sweep_cli.main, monkeypatch, capsys)
    with faults.small_disk(Path("outputs/sweeps"), "1m"):
        assert run("-m", *JOB, "method=center,random").code == 0
        (sweep,) = Path("outputs/sweeps").iterdir()
        before = (sweep / "summary.csv").read_bytes()
        fill(sweep / "filler")
        check_told(run_sweep("summary", str(sweep)), "No space left on device")
        assert (sweep / "summary.csv").read_bytes() == before
        ran = run("-m", *JOB, "method=center,random")
        check_told(ran, "No space left on device")
        (sweep / "filler").unlink()
        assert run_sweep("summary", str(sweep)).code == 0
        assert (sweep / "summary.csv").read_bytes() == before


def fill(path: Path) -> None:
    """Take all the room there is."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1024))
        except OSError:
            return


def test_a_sweep_whose_disk_fills_up(run: Run) -> None:
    with faults.small_disk(Path("outputs"), "40k") as resize:
        ran = run("-m", *JOB, "method=center,grad")
        assert ran.code in (1, 2)
        assert "No space left on device" in ran.err
        check_nothing_torn()
        finished = records(Path())
        resize("10m")
        assert run("-m", *JOB, "method=center,grad").code == 0
        assert {path: records(Path())[path] for path in finished} == finished
        assert [row["state"] for row in summary()] == ["done"] * 2


def test_outputs_that_cannot_be_written_to(run: Run, expected: dict[str, list[bytes]]) -> None:
    Path("outputs").mkdir()
    with faults.read_only(Path("outputs")):
        check_told(run(*JOB), REFUSED)
        check_told(run("-m", *JOB), REFUSED)
    assert not list(Path("outputs").iterdir())
    job_folder().mkdir(parents=True)
    with faults.read_only(job_folder()):
        check_told(run(*JOB), REFUSED)
    assert run(*JOB).code == 0
    assert contents(Path()) == expected


def test_outputs_made_read_only_on_the_way(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("1", "2", "3"):
        faults.write_clip(Path("videos") / name, 60 * int(name))
    asked = (*faults.OWN, "videos_dir=videos", "batch_size=1")
    assert run(*asked, "outputs_dir=whole/outputs").code == 0
    folder = job_folder() / "records"

    def once_one_is_done(_frames: object, logits: object) -> object:
        if folder.is_dir() and any(folder.iterdir()):
            faults.set_read_only(folder)
        return logits

    monkeypatch.setattr(faults, "fault", once_one_is_done)
    try:
        check_told(run(*asked), REFUSED)
    finally:
        faults.set_read_only(folder, really=False)
    check_nothing_torn()
    finished = records(Path())
    assert len(finished) == 1
    monkeypatch.setattr(faults, "fault", faults.nothing)
    assert run(*asked).code == 0
    assert {path: records(Path())[path] for path in finished} == finished
    assert contents(Path()) == contents(Path("whole"))
