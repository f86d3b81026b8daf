"""Files that are cut off, empty or something else: told, moved aside, made anew."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import faults
from tests.commands import Run, runner
from tests.outputs import contents, records, results, summary
from videxplain import cli, report_cli, sweep_cli
from videxplain.sinks.locks import is_locked

JOB = (
    *("data=shapes", "batch_size=1", "method=grad", "threads=1", "metrics=[visible_area]"),
    *("logger=none", "report=false"),
)
Damage = Callable[[bytes], bytes]


def half(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def nothing(_: bytes) -> bytes:
    return b""


def zeros(whole: bytes) -> bytes:
    """As a disk may leave a file that was written just before the power went."""
    return bytes(len(whole))


def null(_: bytes) -> bytes:
    return b"null"


def other(_: bytes) -> bytes:
    return b'{"other": 1}'


def unmeasured(whole: bytes) -> bytes:
    """Without one of the metrics."""
    found = json.loads(whole)
    for row in found["records"]:
        del row["metrics"][min(row["metrics"])]
    return json.dumps(found).encode()


def of_another_clip(whole: bytes) -> bytes:
    found = json.loads(whole)
    for row in (found, *found["records"]):
        row["clip"] = "another"
    return json.dumps(found).encode()


def of_two_clips(whole: bytes) -> bytes:
    found = json.loads(whole)
    found["records"][0]["clip"] = "another"
    return json.dumps(found).encode()


def latin(whole: bytes) -> bytes:
    return whole.replace(b"down", b"d\xf6wn")


def changed(whole: bytes) -> bytes:
    """Its end is whole."""
    return whole[:200] + bytes(100) + whole[300:]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner("videxplain", cli.main, monkeypatch, capsys)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished job."""
    folder = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["videxplain", *JOB])
        cli.main()
    return folder


def damaged(pattern: str, damage: Damage) -> Path:
    path = sorted(Path("outputs").glob(pattern))[0]
    path.write_bytes(damage(path.read_bytes()))
    return path


JOB_FOLDER = "results/*/*/*/*"


RESULT, RECORD = f"{JOB_FOLDER}/result.json", f"{JOB_FOLDER}/records/*.json"
ATTRIBUTION, PICTURES = f"{JOB_FOLDER}/attributions/*.npz", "clips/*.npz"


@pytest.mark.parametrize(
    ("kept", "damage"),
    [
        *((RESULT, damage) for damage in (half, null, other)),
        *((RECORD, damage) for damage in (half, nothing, other, latin, unmeasured)),
        *((RECORD, damage) for damage in (of_another_clip, of_two_clips)),
    ],
)
def test_a_damaged_account_is_made_anew(kept: str, damage: Damage, run: Run, done: Path) -> None:
    check_made_anew(kept, damage, run, done)


@pytest.mark.parametrize(
    ("kept", "damage"),
    [
        *((ATTRIBUTION, damage) for damage in (half, nothing, zeros)),
        (PICTURES, half),
    ],
)
def test_a_damaged_archive_is_made_anew(kept: str, damage: Damage, run: Run, done: Path) -> None:
    check_made_anew(kept, damage, run, done)


def check_made_anew(pattern: str, damage: Damage, run: Run, done: Path) -> None:
    shutil.copytree(done / "outputs", "outputs")
    before = records(Path())
    wrong = damaged(pattern, damage)
    broken = wrong.read_bytes()
    ran = run(*JOB)
    assert ran.code == 0, ran.err
    assert ran.out.count("is damaged (") == 1
    assert f"{wrong} is damaged (" in ran.out
    assert f"moved to {wrong.name}.corrupt, to be made anew" in ran.out
    assert wrong.with_name(f"{wrong.name}.corrupt").read_bytes() == broken
    if wrong.name != "result.json":  # its times are others
        assert wrong.read_bytes() == (done / wrong).read_bytes()
    assert contents(Path()) == contents(done)
    assert results()
    after = records(Path())
    again = {path for path in before if after[path] != before[path]}
    assert len(again) == (0 if wrong.name == "result.json" else 1), "no more than is damaged"
    assert "already done" in run(*JOB).out


def test_an_attribution_that_is_gone_is_made_anew(run: Run, done: Path) -> None:
    shutil.copytree(done / "outputs", "outputs")
    next(Path("outputs").glob(ATTRIBUTION)).unlink()
    assert run(*JOB).code == 0
    assert contents(Path()) == contents(done)


@pytest.mark.parametrize(
    ("kept", "damage"),
    [
        *(("groups/default.json", damage) for damage in (half, other)),
        (f"{JOB_FOLDER}/status.json", nothing),
    ],
)
def test_a_damaged_note_costs_nothing(kept: str, damage: Damage, run: Run, done: Path) -> None:
    shutil.copytree(done / "outputs", "outputs")
    wrong = damaged(kept, damage)
    assert "already done" in run(*JOB).out
    if "groups" in kept:
        assert len(json.loads(wrong.read_text())["jobs"]) == 1


def test_reports_of_damaged_results_are_told(
    run: Run, done: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = runner("videxplain-report", report_cli.main, monkeypatch, capsys)
    shutil.copytree(done / "outputs", "outputs")
    wrong = damaged(ATTRIBUTION, changed)
    ran = report("outputs")
    assert (ran.code, ran.err.count("\n")) == (2, 1), ran.err
    assert f"{wrong.absolute()} cannot be read" in ran.err
    assert "or remove it: the same command then computes this clip alone" in ran.err
    wrong.unlink()
    assert run(*JOB).code == 0
    wrong = damaged(PICTURES, changed)
    ran = report("outputs")
    assert (ran.code, ran.err.count("\n")) == (2, 1), ran.err
    assert f"{wrong.absolute()} cannot be read" in ran.err
    assert run(*JOB, "overwrite=true").code == 0
    assert report("outputs").code == 0
    assert wrong.read_bytes() == (done / wrong).read_bytes()
    next(Path("outputs").glob("results/*/*/*/*/records/*.json")).unlink()
    ran = report("outputs")
    assert (ran.code, ran.err.count("\n")) == (2, 1), ran.err
    assert "compute it again with overwrite=true" in ran.err
    damaged(RESULT, half)
    assert report("outputs").code == 0, "a page that shows no finished job"
    assert run(*JOB).code == 0
    assert report("outputs").code == 0


def test_a_stop_while_all_is_computed_anew(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record of before must not speak for the attribution of now."""
    assert run(*JOB).code == 0
    before = len(records(Path()))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("videxplain.sinks.disk.draw", stop)
        assert run(*JOB, "overwrite=true").code == 130
    assert len(records(Path())) == before - 1
    ran = run(*JOB)
    assert f"{before - 1} of them there already" in ran.out + ran.err
    assert len(records(Path())) == before


def test_a_lock_that_this_user_cannot_ask_may_be_held(tmp_path: Path) -> None:
    lock = tmp_path / "0.lock"
    assert not is_locked(lock)
    lock.touch()
    assert not is_locked(lock)
    with faults.read_only(lock):
        assert is_locked(lock)


def test_damaged_accounts_of_a_sweep(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_sweep = runner("videxplain-sweep", sweep_cli.main, monkeypatch, capsys)
    assert run("-m", *JOB, "method=center,random").code == 0
    (sweep,) = Path("outputs/sweeps").iterdir()
    damaged("sweeps/*/jobs/0.json", half)
    assert run_sweep("summary", str(sweep)).code == 0
    assert [row["state"] for row in summary()] == ["pending", "done"]
    (sweep / "jobs/1.json").write_text('{"state": 3}')
    assert run_sweep("summary", str(sweep)).code == 0
    assert [row["state"] for row in summary()] == ["pending", "pending"]
    asked = (sweep / "jobs.json").read_bytes()
    (sweep / "jobs.json").write_text("[1]")
    assert run_sweep("summary", str(sweep)).code == 2
    newer = [{**each, "later": 1} for each in json.loads(asked)]
    (sweep / "jobs.json").write_text(json.dumps(newer))
    assert run_sweep("summary", str(sweep)).code == 0, "a later version may say more"
    damaged("sweeps/*/jobs.json", half)
    ran = run_sweep("summary", str(sweep))
    assert ran.code == 2
    assert "does not say which jobs were asked for: give the sweep's command again" in ran.err
    ran = run("-m", *JOB, "method=center,random")
    assert (ran.code, ran.out.count("already done")) == (0, 2)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("num_iter: [1, 2", "mine.yaml, line 1, is not understood as YAML (expected ',' or ']'"),
        ("num_iter: 3\x00", "mine.yaml is not understood as YAML (special characters are not"),
        ("num_iter: 3\n\tseed: 1", "mine.yaml, line 2, is not understood as YAML (found character"),
        ("save_label: gr\xf6\xdfe", "a file is not text in UTF-8"),
        ("- a\n- list\n", "unknown key 'experiment'"),
    ],
)
def test_a_damaged_configuration_is_told(written: str, said: str, run: Run) -> None:
    folder = Path("conf/experiment")
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_bytes(written.encode("latin-1"))
    ran = run("--config-dir", str(Path("conf").absolute()), "experiment=mine", *JOB)
    assert (ran.code, ran.err.count("\n")) == (2, 1), ran.err
    assert said in ran.err


def test_times_of_files_are_not_trusted(
    run: Run, done: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A clock that was set back, or forward, left files of 1970 or of the next century."""
    report = runner("videxplain-report", report_cli.main, monkeypatch, capsys)
    shutil.copytree(done / "outputs", "outputs")
    assert report("outputs").code == 0
    (page,) = list(Path("outputs").glob("report/data/media/*/down-*.js"))
    shown = page.read_text()
    for seconds in (0, 4_200_000_000):
        for path in Path("outputs").rglob("*.*"):
            os.utime(path, (seconds, seconds))
        ran = run(*JOB)
        assert (ran.code, "already done" in ran.out) == (0, True)
        page.write_text("of another attribution")
        os.utime(page, (seconds, seconds))
        assert run(*JOB, "overwrite=true").code == 0
        assert report("outputs").code == 0
        assert page.read_text() == shown
