"""What Weights & Biases receives, read back from the files of real offline runs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.commands import Run, runner
from videxplain import cli

CHOSEN = ("data=shapes", "num_iter=6", "early_stop=false", "perturb_area=[0.1,0.3]")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    for name in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / name))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return runner("videxplain", cli.main, monkeypatch, capsys)


def offline_runs(method: str) -> list[Path]:
    return sorted(Path("outputs").glob(f"results/*/*/{method}/*/wandb/offline-run-*"))


def inspect(folder: Path) -> list[dict[str, Any]]:
    """Every record of a run, by the reader that comes with W&B."""
    wandb = Path(sys.executable).with_name("wandb")
    command = [str(wandb), "leet", "inspect", "--json", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    printed = done.stdout
    return [json.loads(line) for line in printed.splitlines()]


def of_kind(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record[kind] for record in records if record["type"] == kind]


def test_a_sweep_arrives_whole(run: Run) -> None:
    assert run("-m", *CHOSEN, "method=step,grad", "logger=wandb", "logger.tags=[mine]").code == 0
    (sweep,) = Path("outputs/sweeps").iterdir()
    (step,), (grad,) = offline_runs("step"), offline_runs("grad")
    records = inspect(step)
    (told,) = of_kind(records, "run")
    assert told["run_group"] == sweep.name
    assert told["job_type"] == "step"
    assert told["display_name"].startswith("tiny_tsm-step-")
    assert set(told["tags"]) == {"tiny_tsm", "shapes", "step", "mine"}
    assert told["config"]["update"]["num_iter"] == 6
    assert told["config"]["update"]["perturb_area"] == [0.1, 0.3]
    check_curves(records, step.parents[1])
    check_media(records, step)
    assert of_kind(records, "exit")[0].get("exit_code", 0) == 0
    other = json.dumps(inspect(grad))
    assert "area 0.1" not in other, "two jobs of one process do not mix"
    assert '"job_type": "grad"' in other


def check_curves(records: list[dict[str, Any]], job: Path) -> None:
    """Six iterations a clip and area, each curve against its own axis, equal to those on disk."""
    rows = [each["item"] for each in of_kind(records, "history")]
    axes = [each for each in of_kind(records, "metric") if each.get("step_metric")]
    assert len(axes) == 4
    for axis in axes:
        step, name = axis["step_metric"], axis["glob_name"].removesuffix("/*")
        assert step == f"{name}/iteration"
        _, clip, area = name.split("/")
        mine = [row for row in rows if step in row]
        assert [row[step] for row in mine] == list(range(6))
        with np.load(job / "attributions" / f"{clip}.npz") as kept:
            index = kept["areas"].tolist().index(float(area.removeprefix("area ")))
            curves = {
                key.removeprefix("curve_"): kept[key][index] for key in kept if key[:6] == "curve_"
            }
        assert {"energy", "reward", "regul", "probability", "area", "core"} <= {*curves}
        for curve, wanted in curves.items():
            assert [row[f"{name}/{curve}"] for row in mine] == pytest.approx(wanted.tolist())


def check_media(records: list[dict[str, Any]], folder: Path) -> None:
    media = folder / "files" / "media"
    assert len(list((media / "videos").rglob("*.gif"))) == 4
    assert list((media / "images" / "mask").rglob("*.mask.png"))
    (table,) = (media / "table").rglob("*.table.json")
    found = json.loads(table.read_text())
    assert len(found["data"]) == 4
    assert found["columns"][:2] == ["clip", "area"]
    assert "visible_area" in found["columns"]
    assert "visible_area" in json.dumps(of_kind(records, "summary"))


def test_a_job_that_fails_ends_its_run_with_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from videxplain.sinks.disk import DiskSink

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(DiskSink, "write", full)
    assert run("-m", *CHOSEN, "method=grad").code == 1
    (folder,) = offline_runs("grad")
    assert of_kind(inspect(folder), "exit")[0]["exit_code"] == 1


def test_a_logger_that_breaks_does_not_break_the_job(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    def broken(*_: object, **__: object) -> None:
        message = "no room"
        raise RuntimeError(message)

    monkeypatch.setattr(wandb, "Image", broken)
    ran = run(*CHOSEN, "method=3d_ep", "logger=wandb")
    assert ran.code == 0
    assert ran.out.count("W&B logs no more of this job (RuntimeError: no room)") == 1
    (path,) = Path("outputs").glob("results/*/*/*/*/result.json")
    assert json.loads(path.read_text())["state"] == "done"


def test_without_a_login_online_falls_back_to_offline(run: Run) -> None:
    ran = run(*CHOSEN, "method=grad", "logger=wandb", "logger.mode=online", "logger.init_timeout=3")
    assert ran.code == 0
    assert "W&B cannot be reached" in ran.out
    assert len(offline_runs("grad")) == 1
    assert "wandb sync" in ran.out


def test_arrays_are_uploaded_on_request(run: Run) -> None:
    assert run(*CHOSEN, "method=grad", "logger=wandb", "logger.attributions=true").code == 0
    (folder,) = offline_runs("grad")
    artifacts = of_kind(inspect(folder), "artifact")
    (artifact,) = (each for each in artifacts if each["type"] == "attributions")
    assert len(artifact["manifest"]["contents"]) == 2
    shutil.rmtree("DATA")
