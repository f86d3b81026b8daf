"""The files of conf/experiment."""

import csv
from pathlib import Path

import pytest

from tests.commands import completed, runner
from videxplain import building, catalog, cli

NAMES = catalog.names("experiment")


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_is_complete(name: str) -> None:
    config = completed([f"experiment={name}"])
    assert config["save_label"] == name
    building.build(config["method"], "method")
    text = catalog.text("experiment", name)
    assert "Expected: " in text
    assert "Needs" in text


@pytest.mark.slow
def test_smoke_runs_every_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = runner("videxplain", cli.main, monkeypatch, capsys)
    assert run("experiment=smoke").code == 0
    (path,) = Path("outputs/sweeps").glob("*/summary.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    done = [row for row in rows if row["method"] != "attention_rollout"]  # for transformers alone
    assert {row["state"] for row in done} == {"done"}
    assert {row["state"] for row in rows if row not in done} == {"skipped"}
    assert {row["method"] for row in rows} == set(catalog.names("method"))
    assert {row["model"] for row in rows} == {"tiny_r2plus1d", "tiny_tsm"}
    assert len(list(Path("outputs").glob("results/*/*/*/*/wandb/offline-run-*"))) == len(done)
