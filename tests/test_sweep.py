"""Sweeps: checked before they start, accounted for however they end, and resumed."""

import csv
import json
import pickle
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from PIL import Image

from tests.commands import Run, runner
from tests.outputs import contents, records, results, summary
from tests.test_data import write_frames
from videxplain import cli, hydra_words, sweep_cli
from videxplain.accounts import join_group
from videxplain.dry_run import duration
from videxplain.errors import UnknownKeyError

QUICK = ("data=shapes", "data.num_clips=1", "metrics=[visible_area]", "num_iter=2", "logger=none")
BREAKS = """
from pathlib import Path

import torch

class Breaks(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, frames):
        if Path("break").exists():
            raise RuntimeError("the network broke")
        return self.weight * frames.mean((2, 3, 4)) @ torch.ones(3, 8)

def build(width=1):
    return Breaks()
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner("videxplain", cli.main, monkeypatch, capsys)


@pytest.fixture
def run_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner("videxplain-sweep", sweep_cli.main, monkeypatch, capsys)


def test_every_mistake_is_told_before_the_first_job_starts(run: Run) -> None:
    ran = run("-m", *QUICK, "method=step,grad", "perturb_area=0.1,1.5,-1", "method.sigma=2,0")
    assert ran.code == 2
    assert "perturb_area=1.5: give a share above 0 and below 1" in ran.err
    assert "perturb_area=-1: give a share above 0 and below 1" in ran.err
    assert "none was started" in ran.err
    assert not results()
    assert not Path("outputs/sweeps").exists()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("device=cpu,gpu", "device=gpu: choose auto, cuda, cpu, mps"),
        ("device=gpu,cpu", "device=gpu: choose auto, cuda, cpu, mps"),
        ("logger.mode=offline,offine", "logger.mode='offine': input should be 'offline' or"),
    ],
)
def test_a_mistake_is_told_where_jobs_are_merged_too(run: Run, wrong: str, told: str) -> None:
    ran = run("-m", *QUICK[:-1], "logger=wandb", "method=center", wrong)
    assert ran.code == 2
    assert told in ran.err
    assert not Path("outputs/sweeps").exists()


def test_a_key_that_a_swept_method_lacks(run: Run) -> None:
    ran = run("-m", *QUICK, "method=step,grad", "method.variant=delete")
    assert ran.code == 2
    assert ran.err.splitlines() == [
        "videxplain: method=grad has no key 'variant': sweep the methods that have it "
        "(2d_ep, 3d_ep, step) in a command of their own (1 job, the first method=grad)",
    ]


def test_an_unknown_key_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(UnknownKeyError("unknown", "method.sigm")))
    assert (str(error), error.key) == ("unknown", "method.sigm")


def test_a_key_that_no_method_has(run: Run) -> None:
    ran = run("-m", *QUICK, "method=step,grad", "method.varant=delete")
    assert ran.code == 2
    assert "unknown key of method 'varant': did you mean 'variant'?" in ran.err
    assert "++" not in ran.err


def test_a_job_whose_results_were_deleted_is_summarised(run: Run, run_sweep: Run) -> None:
    assert run("-m", *QUICK, "method=center,random").code == 0
    results()[0].unlink()
    (sweep,) = Path("outputs/sweeps").iterdir()
    assert run_sweep("summary", str(sweep)).code == 0
    assert [row["clips"] for row in summary()] == ["", "1"]


def test_a_job_that_is_asked_for_twice_runs_once(run: Run) -> None:
    ran = run("-m", *QUICK, "method=grad,step", "num_iter=2,3")
    assert ran.code == 0
    rows = summary()
    assert [row["state"] for row in rows] == ["done", "done", "done", "merged"]
    assert rows[3]["error"] == "the same job as num_iter=2 method=grad"
    assert "the same job as num_iter=2 method=grad: num_iter=3 method=grad\n" in ran.out
    assert len(results()) == 3


def test_a_sweep_of_no_jobs_is_told(run: Run) -> None:
    ran = run("-m", *QUICK, "method=glob(nothing*)")
    assert ran.code == 2
    assert "the sweep has no job" in ran.err


def test_impossible_pairs_stand_in_the_summary(run: Run) -> None:
    chosen = ("model=tiny_tsm,mc3", "pretrain_dataset=shapes", "method=center")
    assert run("-m", *QUICK, *chosen).code == 0
    rows = summary()
    assert [(row["model"], row["state"]) for row in rows] == [
        ("tiny_tsm", "done"),
        ("mc3", "skipped"),
    ]
    assert rows[1]["error"] == (
        "pretrain_dataset=shapes does not go with model=mc3: choose kinetics"
    )
    assert float(rows[0]["clips"]) == 1


def test_a_model_without_the_datas_classes_is_skipped(run: Run) -> None:
    ran = run("-m", *QUICK, "model=tiny_tsm,tsm,r3d", "method=center")
    assert ran.code == 0, ran.err
    rows = summary()
    assert [(row["model"], row["state"]) for row in rows] == [
        ("tiny_tsm", "done"),
        ("tsm", "skipped"),
        ("r3d", "skipped"),
    ]
    assert rows[2]["error"] == (
        "the label 'down' of 'down-0-0000' is none of the network's classes "
        "(did you mean 'drawing' or 'bowling'? there are 400): name the clip <class>-<anything>, "
        "choose a model that has the class, or set target=predicted"
    )


def test_one_wrong_label_among_right_ones_is_a_mistake(run: Run, tmp_path: Path) -> None:
    for name in ("up-1", "upp-2"):
        write_frames(tmp_path / "clips" / name, ["1.png"])
    ran = run("-m", "videos_dir=clips", "model=tiny_tsm,tiny_r2plus1d", "method=center")
    assert ran.code == 2
    assert ran.err.startswith(
        "videxplain: the label 'upp' of 'upp-2' is none of the network's classes "
        "(did you mean 'up'? they are right, up right, "
    )
    assert ran.err.endswith("(2 jobs, the first model=tiny_tsm)\n")
    assert ran.err.count("\n") == 1
    assert not Path("outputs").exists()


def test_a_sweep_of_impossible_pairs_alone_is_a_mistake(run: Run) -> None:
    ran = run("-m", *QUICK, "model=tsm,r3d", "method=center")
    assert ran.code == 2
    assert ran.err.startswith("videxplain: the label 'down' of 'down-0-0000' is none of the ")
    assert ran.err.count("\n") == 1
    assert not Path("outputs").exists()


def breaking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    (tmp_path / "breaks_now.py").write_text(BREAKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return (
        *("plugins=[breaks_now]", "model=custom", "model.net._target_=breaks_now.build"),
        *("model.frames=8", "model.size=[32,32]", "target=predicted"),
    )


def test_a_job_that_fails_loses_only_itself(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = breaking(tmp_path, monkeypatch)
    Path("break").touch()
    ran = run("-m", *QUICK, *own, "method=grad,center,random", "+model.net.width=1")
    assert ran.code == 1
    assert "3 of 3 jobs are not done" in ran.err
    assert "RuntimeError: the network broke" in ran.err
    assert [row["state"] for row in summary()] == ["failed"] * 3
    assert summary()[0]["error"] == (
        "the network breaks on a blank clip of 8 frames of 32 x 32 pixels, given as b c t h w "
        "(RuntimeError: the network broke): set frames, size and layout as it needs them"
    )
    (sweep,) = Path("outputs/sweeps").iterdir()
    assert "in forward" in json.loads((sweep / "jobs" / "0.json").read_text())["traceback"]
    Path("break").unlink()
    assert run("-m", *QUICK, *own, "method=grad,center,random", "+model.net.width=1").code == 0
    assert len(results()) == 3


def test_a_mistake_in_a_network_is_told_as_it_is() -> None:
    assert hydra_words.of_a_job(AssertionError("16 frames")) == "AssertionError: 16 frames"
    assert hydra_words.of_a_job(ValueError("in defaults")) == "ValueError: in defaults"


def test_weights_of_the_users_own_are_jobs_of_their_own(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = breaking(tmp_path, monkeypatch)
    for name, value in (("a", 1.0), ("b", 2.0)):
        torch.save({"weight": torch.full((1,), value)}, f"{name}.pth")
    many = (*own, "+model.net.width=1", "method=center", "model.weights=a.pth,b.pth")
    ran = run("-m", *QUICK, *many)
    assert ran.code == 0, ran.err
    assert [row["state"] for row in summary()] == ["done", "done"]


def test_finished_jobs_of_another_sweep_are_found(run: Run) -> None:
    assert run("-m", *QUICK, "method=grad,center").code == 0
    before = {path: path.stat().st_mtime_ns for path in results()}
    ran = run("-m", *QUICK, "method=random,center,grad")
    assert ran.code == 0
    assert ran.out.count("already done") == 2
    assert len(results()) == 3
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())


def test_a_job_that_is_found_done_keeps_the_time_that_it_took(run: Run) -> None:
    for _ in range(2):
        assert run("-m", *QUICK, "method=center,grad").code == 0
        for row in summary():
            timings = json.loads((Path(row["folder"]) / "result.json").read_text())["timings"]
            assert float(row["seconds"]) == sum(timings.values())


def test_a_job_that_fails_on_its_way_says_how_many_clips_are_finished(
    run: Run, tmp_path: Path
) -> None:
    for name in ("up-1", "up-2", "up-3"):
        write_frames(tmp_path / "clips" / name, ["1.png"])
    picture = tmp_path / "clips" / "up-3" / "1.png"
    picture.write_bytes(picture.read_bytes()[:50])  # its size can be read, its colours cannot
    asked = (*QUICK[2:], "videos_dir=clips", "method=center", "batch_size=1")
    assert run("-m", *asked, "target=predicted,0").code == 1
    assert [(row["state"], row["clips"]) for row in summary()] == [("failed", "2")] * 2
    assert run("-m", *asked, "data.shard=1/1").code == 1
    assert [(row["state"], row["clips"]) for row in summary()] == [("failed", "")]


def test_a_killed_job_says_how_many_clips_are_finished(run: Run, run_sweep: Run) -> None:
    assert run("-m", *QUICK, "data.num_clips=3", "method=center").code == 0
    (result,), (sweep,) = results(), Path("outputs/sweeps").iterdir()
    result.unlink()
    next(result.parent.glob("records/*.json")).unlink()
    state = {"state": "running", "folder": str(result.parent)}
    (sweep / "jobs" / "0.json").write_text(json.dumps(state))
    assert run_sweep("summary", str(sweep)).code == 0
    assert [(row["state"], row["clips"]) for row in summary()] == [("stopped", "2")]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 130), (signal.SIGINT, 130)])
def test_a_stopped_sweep_leaves_its_summary(number: int, code: int, tmp_path: Path) -> None:
    process = sweep_of_many(tmp_path)
    wait_for(tmp_path, jobs=2)  # so that the first one is accounted for
    process.send_signal(number)
    assert process.wait(60) == code
    (path,) = tmp_path.glob("outputs/sweeps/*/summary.csv")
    with path.open(newline="") as file:
        states = [row["state"] for row in csv.DictReader(file)]
    assert "done" in states
    assert "pending" in states


def test_a_killed_sweep_is_summarised_and_resumed(tmp_path: Path, run_sweep: Run, run: Run) -> None:
    process = sweep_of_many(tmp_path)
    wait_for(tmp_path, jobs=2)
    process.kill()
    process.wait(60)
    (folder,) = Path("outputs/sweeps").iterdir()
    assert run_sweep("summary", str(folder)).code == 0
    assert {"done", "pending"} <= {row["state"] for row in summary()}
    finished = {path: path.stat().st_mtime_ns for path in Path("outputs").glob("**/records/*.json")}
    assert finished
    assert run("-m", *MANY).code == 0
    assert len(results()) == 6
    assert all(path.stat().st_mtime_ns == when for path, when in finished.items())
    assert {row["state"] for row in summary()} == {"done"}


TWENTY_FOUR = (
    *("model=tiny_tsm,tiny_r2plus1d", "method=2d_ep,3d_ep,step", "perturb_area=0.1,0.2,0.3,0.5"),
    *("data=shapes", "data.num_clips=6", "num_iter=4", "threads=1", "logger=none", "batch_size=2"),
    "metrics=[visible_area,probability_kept]",
)


@pytest.mark.slow
def test_a_sweep_killed_five_times_is_the_same_in_the_end(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    assert start_sweep(whole, TWENTY_FOUR).wait(600) == 0
    killed.mkdir()
    chance, finished = random.Random(5), dict[Path, int]()
    for _ in range(5):
        process = start_sweep(killed, TWENTY_FOUR)
        wait_for_more(killed, than=len(finished))
        time.sleep(chance.uniform(0, 3))
        process.kill()
        process.wait(60)
        assert len(records(killed)) < 24 * 6, "killed on its way"
        check_whole(killed)
        finished |= records(killed)
    assert start_sweep(killed, TWENTY_FOUR).wait(600) == 0
    assert len(results(killed)) == 24
    check_whole(killed)
    last = records(killed)
    assert {path: last[path] for path in finished} == finished, "no clip was computed twice"
    assert contents(killed) == contents(whole)
    assert len(contents(whole)) == 2 * 24 * 6


def check_whole(folder: Path) -> None:
    """Every file that can be seen can be read."""
    for path in folder.glob("outputs/**/[!.]*"):
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".npz":
            dict(np.load(path))
        elif path.suffix in {".png", ".webp"}:
            Image.open(path).load()


START = """
import signal
from videxplain.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run behind a shell
main()
"""
MANY = (*QUICK, "method=3d_ep", "num_iter=60", "perturb_area=0.1,0.2,0.3,0.4,0.5,0.6")


def sweep_of_many(folder: Path) -> "subprocess.Popen[bytes]":
    return start_sweep(folder, MANY)


def start_sweep(folder: Path, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", START, "-m", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)


def wait_for(folder: Path, jobs: int) -> None:
    """Until so many jobs are done."""
    wait_until(lambda: len(results(folder)) >= jobs)


def wait_for_more(folder: Path, than: int) -> None:
    """Until more clips are finished."""
    wait_until(lambda: len(records(folder)) > than)


def wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_sweep_in_a_folder_with_an_odd_name(run: Run, tmp_path: Path) -> None:
    odd = tmp_path / "it's, [so] {odd}=1\\b"
    quoted = "outputs_dir='" + str(odd).replace("'", "\\'") + "'"
    assert run("-m", *QUICK, "method=grad,center", quoted).code == 0
    (table,) = odd.glob("sweeps/*/summary.csv")
    assert table.read_text().count("done") == 2
    assert not Path("outputs").exists()


def test_plan_says_what_a_sweep_would_do(run_sweep: Run) -> None:
    asked = ("model=tiny_tsm,mc3", "pretrain_dataset=shapes", "method=step,grad", "num_iter=5,7")
    ran = run_sweep("plan", *QUICK, *asked)
    assert ran.code == 0
    lines = ran.out.splitlines()
    steps = [line.split()[:5] for line in lines if line.startswith("tiny_tsm  step")]
    assert steps == [["tiny_tsm", "step", "1", str(n), str(n)] for n in (5, 7)]
    assert sum(line.startswith("skipped: ") for line in lines) == 4
    assert sum(line.startswith("the same job as ") for line in lines) == 1
    assert re.fullmatch(
        r"3 jobs, about [\d.]+ s one after the other for passes through the networks; "
        "loading, pictures and logging come on top",
        lines[-1],
    )
    assert not Path("outputs").exists()


def test_plan_times_what_each_job_computes_in(
    run_sweep: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def seconds(_classifier: object, *given: object) -> float:
        asked.append(given)
        return 1.0

    monkeypatch.setattr("videxplain.dry_run._seconds", seconds)
    ran = run_sweep("plan", *QUICK, "method=grad,center", "precision=float32,bfloat16")
    assert ran.code == 0
    assert asked == [("auto", precision, None) for precision in ("float32", "bfloat16")]


def test_plan_counts_the_passes_of_metrics(run_sweep: Run) -> None:
    """Insertion asks once more than it has steps; a check asks the method again."""
    few = ("data=shapes", "data.num_clips=3", "model=tiny_tsm", "num_iter=5", "logger=none")
    metrics = "metrics=[insertion_auc,visible_area,probability_kept,frame_reverse]"
    areas = ("perturb_area=[0.1,0.2]", "map_area=[0.1]", "metrics.insertion_auc.steps=8")
    ran = run_sweep("plan", *few, metrics, *areas, "method=3d_ep,grad")
    rows = [line.split()[:5] for line in ran.out.splitlines() if line.startswith("tiny_tsm")]
    searched, mapped = 3 * (2 * (9 + 1)), 3 * (9 + 1 + 1)
    assert rows == [
        ["tiny_tsm", "3d_ep", "3", str(2 * 3 * 10 + searched), str(2 * 3 * 10)],
        ["tiny_tsm", "grad", "3", str(2 * 3 + mapped), str(2 * 3)],
    ]


def test_plan_names_what_tells_the_jobs_apart(run_sweep: Run) -> None:
    ran = run_sweep("plan", *QUICK, "model=tiny_tsm,mc3", "method=step,center", "num_iter=5,7")
    lines = ran.out.splitlines()
    named = [re.split("  +", line)[-1] for line in lines if line.startswith("tiny_tsm")]
    assert named == [
        "num_iter=5 model=tiny_tsm method=step",
        "num_iter=5 model=tiny_tsm method=center",
        "num_iter=7 model=tiny_tsm method=step",
    ]
    assert "skipped: num_iter=5 model=mc3 method=step: the label 'down' of " in ran.out
    center = "num_iter={} model=tiny_tsm method=center"
    assert f"the same job as {center.format(5)}: {center.format(7)}" in lines


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (0.0572, "0.057 s"),
        (2.34, "2.3 s"),
        (59, "59 s"),
        (181, "3 min"),
        (4320, "1.2 h"),
        (1e6, "278 h"),
    ],
)
def test_durations_can_be_read(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_a_folder_without_a_sweep_is_told(run_sweep: Run) -> None:
    ran = run_sweep("summary", ".")
    assert ran.code == 2
    assert "holds no sweep" in ran.err


def test_a_folder_of_outputs_is_summarised(run: Run, run_sweep: Run) -> None:
    assert run("-m", *QUICK, "method=step,grad", "perturb_area=[0.1,0.3]").code == 0
    assert run_sweep("summary", "outputs").code == 0
    with Path("outputs/summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["method"], row["area"]) for row in rows] == [
        ("grad", ""),
        ("step", "0.1"),
        ("step", "0.3"),
    ]
    assert float(rows[1]["visible_area"]) > 0


def test_jobs_side_by_side_note_themselves_under_one_label(tmp_path: Path) -> None:
    joined = joblib.Parallel(n_jobs=2, backend="loky")(
        joblib.delayed(_join)(tmp_path, name) for name in range(60)
    )
    assert len(joined) == 60
    noted = json.loads((tmp_path / "groups" / "mine.json").read_text())["jobs"]
    assert sorted(noted) == sorted(f"job{name}" for name in range(60))


def _join(outputs: Path, name: int) -> None:
    join_group({"outputs_dir": str(outputs), "save_label": "mine"}, outputs / f"job{name}")
