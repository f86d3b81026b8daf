"""Saved attributions measured again: the same numbers, nothing explained anew, nothing mixed up."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import videxplain as vx
from tests.commands import Ran, runner
from tests.outputs import results
from videxplain import cli, evaluate_cli

LATER = "metrics=[insertion_auc,gini,energy_inside,probability_kept,seed_stability]"
FEW = ("data=shapes", "data.num_clips=3", "num_iter=3", "metrics.insertion_auc.steps=8")
Commands = tuple[Callable[..., Ran], Callable[..., Ran]]


@pytest.fixture
def commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    """Explain, and evaluate."""
    monkeypatch.chdir(tmp_path)
    return (
        runner("videxplain", cli.main, monkeypatch, capsys),
        runner("videxplain-evaluate", evaluate_cli.main, monkeypatch, capsys),
    )


def rows(path: Path) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads(path.read_text())["records"]
    return read


@pytest.mark.parametrize("method", ["grad", "3d_ep"])
def test_the_numbers_are_those_of_a_job_that_measures_at_once(
    method: str, commands: Commands
) -> None:
    explain, evaluate = commands
    at_once = (*FEW, f"method={method}", "map_area=[0.1]", "perturb_area=[0.1,0.3]")
    assert explain(*at_once, LATER, "outputs_dir=whole").code == 0
    first = (*at_once[:3], *at_once[4:], "metrics=[visible_area]")
    assert explain(*first, "batch_size=1").code == 0
    (path,) = results()
    archive = next(path.parent.glob("attributions/*.npz"))
    before, bare = archive.stat().st_mtime_ns, rows(path)
    ran = evaluate("outputs", LATER, "metrics.insertion_auc.steps=8", "batch_size=2")
    assert ran.code == 0, ran.err
    (wanted,) = Path("whole").glob("results/*/*/*/*/result.json")
    for old, new, at_once_row in zip(bare, rows(path), rows(wanted), strict=True):
        assert new["metrics"]["visible_area"] == old["metrics"]["visible_area"]
        for name, value in at_once_row["metrics"].items():
            assert new["metrics"][name] == pytest.approx(value, abs=2e-3), name
        assert new["curves"].keys() == at_once_row["curves"].keys()
    assert archive.stat().st_mtime_ns == before, "nothing was explained anew"
    kept = next(path.parent.glob("records/*.json"))
    assert set(rows(kept)[0]["metrics"]) == set(rows(path)[0]["metrics"])
    told = json.loads(path.read_text())
    assert told["measures"]["gini"]["category"] == "spread"
    assert told["measures"]["gini"]["says"].startswith("Sparseness: 0 if all voxels are equal")
    assert told["evaluated"]["insertion_auc"]["steps"] == 8
    assert explain(*first, "batch_size=1").code == 0
    assert len(results()) == 1, "the job is still the same, and done"


def test_results_of_another_configuration_are_refused(commands: Commands) -> None:
    explain, evaluate = commands
    assert explain(*FEW[:3], "method=center", "metrics=[visible_area]").code == 0
    (path,) = results()
    told = json.loads(path.read_text())
    for change, message in (
        ({"config": {**told["config"], "target": "predicted"}}, "another configuration"),
        ({"format": 0}, "format 0"),
    ):
        path.write_text(json.dumps({**told, **change}))
        ran = evaluate("outputs", "metrics=[gini]")
        assert ran.code == 2
        assert message in ran.err
    path.write_text(json.dumps(told))
    record = next(path.parent.glob("records/*.json"))
    record.write_text(re.sub(r'"pixels": "\w+"', f'"pixels": "{"0" * 16}"', record.read_text()))
    ran = evaluate("outputs", "metrics=[gini]")
    assert ran.code == 2
    assert "is not the one that was explained" in ran.err


def test_other_weights_are_refused(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    explain, evaluate = commands
    weights = Path("weights.pth")
    own = vx.load_model("tiny_tsm", device="cpu").net.state_dict()
    torch.save(own, weights)
    given = (f"weights={weights}", "method=center", "metrics=[visible_area]")
    assert explain(*FEW[:2], *given).code == 0
    torch.save({name: value * 2 for name, value in own.items()}, weights)
    monkeypatch.setattr("videxplain.runner._last_classifier", None)  # as in another process
    (path,) = results()
    before = path.read_bytes()
    ran = evaluate("outputs", "metrics=[gini]")
    assert ran.code == 2
    assert "was made with other weights: explain anew, or give those" in ran.err
    assert path.read_bytes() == before


def test_metrics_follow_the_method_that_was_run(commands: Commands) -> None:
    explain, evaluate = commands
    fade = ("method=3d_ep", "method.perturbation=fade", "perturb_area=[0.1]")
    assert explain(*FEW[:3], *fade, "metrics=[probability_kept]", "outputs_dir=whole").code == 0
    assert explain(*FEW[:3], *fade, "metrics=[visible_area]").code == 0
    assert evaluate("outputs", "metrics=[probability_kept]").code == 0
    (path,), (wanted,) = results(), Path("whole").glob("results/*/*/*/*/result.json")
    for row, at_once in zip(rows(path), rows(wanted), strict=True):
        kept = at_once["metrics"]["probability_kept"]
        assert row["metrics"]["probability_kept"] == pytest.approx(kept, abs=2e-3)


def test_one_that_was_stopped_leaves_its_numbers_out(commands: Commands) -> None:
    explain, evaluate = commands
    assert explain(*FEW[:2], "method=center", "metrics=[top_precision]").code == 0
    (path,) = results()
    record = min(path.parent.glob("records/*.json"))
    found = json.loads(record.read_text())
    found["records"][0]["metrics"]["entropy"] = 0.5
    record.write_text(json.dumps(found))
    ran = evaluate("outputs", "metrics=[gini]")
    assert ran.code == 0, ran.err
    assert not list(path.parent.glob("*.corrupt"))
    assert [set(row["metrics"]) for row in rows(path)] == [{"top_precision", "gini"}] * 3


def test_a_record_that_lacks_what_the_result_says_is_told(commands: Commands) -> None:
    explain, evaluate = commands
    assert explain(*FEW[:2], "method=center", "metrics=[top_precision]").code == 0
    (path,) = results()
    record = min(path.parent.glob("records/*.json"))
    found = json.loads(record.read_text())
    found["records"][0]["metrics"] = {}
    record.write_text(json.dumps(found))
    ran = evaluate("outputs", "metrics=[gini]")
    assert ran.code == 2
    assert f"{record.name} cannot be read (gone or damaged): compute it again" in ran.err
    assert ran.err.count("\n") == 1


def test_results_that_were_taken_elsewhere(commands: Commands, tmp_path: Path) -> None:
    explain, evaluate = commands
    (tmp_path / "disk").mkdir()
    assert explain(*FEW[:2], "method=center", "outputs_dir=disk/outputs").code == 0
    (tmp_path / "disk").rename("copied")
    (tmp_path / "disk").touch()  # nothing can be written there any more
    ran = evaluate("copied/outputs", "metrics=[gini]")
    assert ran.code == 0, ran.err
    (path,) = Path("copied").glob("outputs/results/*/*/*/*/result.json")
    assert all("gini" in row["metrics"] for row in rows(path))


def test_the_jobs_own_numbers_stay(commands: Commands) -> None:
    explain, evaluate = commands
    asked = (*FEW[:2], "method=center", "metrics=[top_precision]")
    assert explain(*asked).code == 0
    ran = evaluate("outputs", "metrics=[top_precision]", "metrics.top_precision.share=0.5")
    assert ran.code == 2
    assert "top_precision was measured with other keys by the job itself" in ran.err
    assert evaluate("outputs", "metrics=[top_precision,gini]").code == 0
    assert explain(*asked).code == 0, "what was added is no part of the job"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("metrics=[ginni]",), "gini"),
        (
            ("metrics=[lateness]",),
            "a metric of your own is measured by the job itself",
        ),
        (("metrics=gini",), "give a list"),
        (("metrics=[]",), "give a list"),
        (("metric=[gini]",), "metrics"),
        (("metrics=[gini]", "metrics.gini.polarty=both"), "polarity"),
        (("metrics=[gini]", "metrics.entropy.polarity=both"), "gini"),
        (("metrics=[gini", "device=cpu"), "not understood"),
        (("metrics=[gini]", "batch_size=0"), "batch_size=0"),
        (("metrics=[gini]", "device=[a]"), "device="),
        (("metrics=[gini]", "plugins=mynets"), "give a list"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    arguments: tuple[str, ...], said: str, commands: Commands
) -> None:
    _, evaluate = commands
    ran = evaluate("outputs", *arguments)
    assert ran.code == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_a_folder_without_results(commands: Commands) -> None:
    ran = commands[1]("outputs", "metrics=[gini]")
    assert ran.code == 2
    assert "holds no finished job" in ran.err
