"""What is written of a batch: one record a clip and area, curves, and maps cut into masks."""

import json
import math
from pathlib import Path

import pytest

from tests.commands import Run, runner
from tests.outputs import results
from videxplain import cli

FEW = ("data=shapes", "data.num_clips=2", "metrics=[visible_area,insertion_auc,precision_at_area]")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner("videxplain", cli.main, monkeypatch, capsys)


def test_a_map_is_measured_whole_and_cut(run: Run) -> None:
    assert run(*FEW, "method=grad_cam", "map_area=[0.05,0.1]").code == 0
    (path,) = results()
    records = json.loads(path.read_text())["records"]
    assert [record["area"] for record in records] == [None, 0.05, 0.1] * 2
    whole, *cuts = records[:3]
    assert [cut["metrics"]["visible_area"] for cut in cuts] == pytest.approx([0.05, 0.1], abs=1e-4)
    assert whole["metrics"]["visible_area"] is None
    assert all(cut["metrics"]["insertion_auc"] is None for cut in cuts)
    assert all(0 <= record["metrics"]["precision_at_area"] <= 1 for record in records[:3])
    assert len(list(path.parent.glob("figures/*.png"))) == 2, "of the maps"


def test_the_whole_curve_is_kept(run: Run) -> None:
    assert run(*FEW, "method=center").code == 0
    (path,) = results()
    for record in json.loads(path.read_text())["records"]:
        curve = record["curves"]["insertion_auc"]
        assert (curve["shares"][0], curve["shares"][-1]) == (0, 1)
        assert curve["values"][-1] == pytest.approx(record["probability"], abs=1e-5)
        area = sum(
            (after - before) * (first + last) / 2
            for before, after, first, last in zip(
                *(curve["shares"], curve["shares"][1:], curve["values"], curve["values"][1:]),
                strict=False,
            )
        )
        assert area == pytest.approx(record["metrics"]["insertion_auc"], abs=1e-5)


@pytest.mark.slow
def test_areas_of_maps_tell_jobs_apart_only_where_they_are_read(run: Run) -> None:
    for areas in ("null", "0.1", "[0.1]", "[0.2]"):
        for method in ("center", "step"):
            assert run(*FEW, f"method={method}", f"map_area={areas}", "num_iter=2").code == 0
    methods = [path.parts[-3] for path in results()]
    assert methods == ["center"] * 3 + ["step"]


@pytest.mark.parametrize("areas", ["[0.1,1]", "some", "0", "[[0.1]]"])
def test_a_wrong_area_is_told(areas: str, run: Run) -> None:
    ran = run(*FEW, "method=center", f"map_area={areas}")
    assert ran.code == 2
    assert "map_area" in ran.err
    assert "between 0 and 1" in ran.err


def test_checks_run_on_the_command_line(run: Run) -> None:
    names = "cascading_randomisation,seed_stability,frame_reverse,label_randomisation"
    chosen = (f"metrics=[{names}]", "metrics.cascading_randomisation.stages=2")
    assert run(*FEW[:2], *chosen, "method=grad").code == 0
    (path,) = results()
    for record in json.loads(path.read_text())["records"]:
        found = record["metrics"]
        assert found["seed_stability"] == 1
        assert all(-1 <= value < 1 for key, value in found.items() if key != "seed_stability")
        assert not math.isnan(found["frame_reverse"])
