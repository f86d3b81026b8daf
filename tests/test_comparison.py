"""Comparison of methods: statistics by hand, tables and pictures from jobs that really ran."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scipy.stats import spearmanr

from tests.commands import runner
from videxplain import cli, sweep_cli
from videxplain.errors import ConfigError
from videxplain.report import markdown, plots
from videxplain.report.agreement import agreement
from videxplain.report.comparison import compare, measured, reliability
from videxplain.report.curves import mean_known, mean_shares
from videxplain.report.finished import Finished, finished
from videxplain.report.statistics import consistency, interval


def numbers(values: dict[str, list[float]], *, better: bool | None = True) -> pl.DataFrame:
    """One metric of each method on some clips, as maps."""
    rows = [
        {
            "model": "net",
            "pretrain_dataset": "data",
            "setting": "",
            "metric": "score",
            "method": method,
            "area": None,
            "clip": f"clip {number}",
            "visible_area": None,
            "higher_is_better": better,
            "value": value,
        }
        for method, each in values.items()
        for number, value in enumerate(each)
    ]
    schema = {"area": pl.Float64, "visible_area": pl.Float64, "higher_is_better": pl.Boolean}
    return pl.DataFrame(rows, schema_overrides=schema)


def test_intervals_hold_what_they_promise() -> None:
    """95 of 100 samples of 30 clips hold the true mean, as near as 400 draws tell."""
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        low, high = interval(generator.exponential(size=30))
        held += low <= 1 <= high
    assert 0.88 < held / 400 < 0.97, "the percentile bootstrap is a little narrow for 30 clips"
    assert interval(np.full(5, 0.3)) == pytest.approx((0.3, 0.3))
    assert all(map(math.isnan, interval(np.array([0.3]))))


def test_consistency_is_the_mean_correlation_of_pairs_of_clips() -> None:
    scores = np.random.default_rng(1).normal(size=(6, 4))
    wanted = np.mean([spearmanr(scores[i], scores[j])[0] for i in range(6) for j in range(i)])
    assert consistency(scores) == pytest.approx(wanted)
    assert consistency(np.tile([1.0, 2, 3], (5, 1))) == pytest.approx(1)
    assert math.isnan(consistency(np.ones((5, 3)))), "all methods are equal"
    assert math.isnan(consistency(scores[:1]))


def test_means_and_what_beats_random() -> None:
    table = compare(
        numbers(
            {
                "good": 3 * [0.8, 0.9, 0.7],
                "noise": 3 * [0.4, 0.1, 0.6],
                "random": 3 * [0.5, 0.2, 0.3],
            }
        )
    )
    rows = {row["method"]: row for row in table.to_dicts()}
    assert rows["good"]["mean"] == pytest.approx(0.8)
    assert 0.699 < rows["good"]["low"] < 0.8 < rows["good"]["high"] < 0.901
    assert rows["good"]["beats_random"] == 1
    assert rows["good"]["better_than_random"]
    assert rows["noise"]["beats_random"] == pytest.approx(1 / 3)
    assert not rows["noise"]["better_than_random"]
    assert rows["random"]["better_than_random"] is None


def test_less_may_be_better() -> None:
    values = {"good": 3 * [0.2, 0.1, 0.3], "random": 3 * [0.5, 0.2, 0.4]}
    found = {
        better: compare(numbers(values, better=better)).row(0, named=True)
        for better in (True, False, None)
    }
    assert [found[better]["beats_random"] for better in found] == [0, 1, None]
    assert [found[better]["better_than_random"] for better in found] == [False, True, None]
    assert [found[better]["best"] for better in found] == [False, True, None]


def test_reliability_by_hand() -> None:
    values = {
        "one": 2 * [0.8, 0.9, 0.7, 0.2],
        "two": 2 * [0.6, 0.5, 0.5, 0.3],
        "center": [0.0] * 8,
        "random seed=0": [0.25] * 8,
        "random seed=1": [0.35] * 8,
    }
    (row,) = reliability(numbers(values)).to_dicts()
    assert row["pairs"] == 16
    assert row["better_than_random"] == pytest.approx(6.5 / 8), "equal ones count half"
    agreeing = 6 * 5 / 2 + 2 * 1 / 2 - 6 * 2
    assert row["consistency"] == pytest.approx(agreeing / 28), "6 clips say one, 2 say two"
    assert row["reliable"]
    (noise,) = reliability(numbers({**values, "one": [0.2] * 8, "two": [0.4] * 8})).to_dicts()
    assert noise["better_than_random"] == 0.5
    assert not noise["reliable"]
    assert noise["reliable"] is not None
    few = {method: each[:4] for method, each in values.items()}
    assert reliability(numbers(few))["reliable"].to_list() == [None], "too few clips to tell"
    assert compare(numbers(few))["better_than_random"].drop_nulls().to_list() == []
    assert not len(reliability(numbers({"one": [0.1, 0.2]}))), "nothing to compare with"


def test_each_clip_is_compared_with_its_own_random() -> None:
    """Differences are small beside those of the clips, but all of one sign."""
    clips = [float(number) for number in range(8)]
    values = {"good": [each + 0.01 for each in clips], "random": clips}
    assert compare(numbers(values))["better_than_random"].to_list() == [True, None]


def masks(method: str, areas: Mapping[float, tuple[float, float]]) -> pl.DataFrame:
    """Ten clips' masks: what each area asked for keeps, and what it is worth."""
    each = [
        numbers({method: [value] * 10}).with_columns(
            area=pl.lit(area), visible_area=pl.lit(visible)
        )
        for area, (visible, value) in areas.items()
    ]
    return pl.concat(each)


def test_random_keeps_as_much_as_the_mask_beside_it() -> None:
    """A mask of .15 that was searched for .05 is compared with random's halfway from .1 to .2."""
    random = masks("random", {0.05: (0.05, 0.0), 0.1: (0.1, 0.2), 0.2: (0.2, 0.6)})
    lucky = masks("3d_ep", {0.05: (0.15, 0.39), 0.1: (0.3, 0.9)})
    good = masks("step", {0.05: (0.15, 0.41)})
    table = compare(pl.concat([random, lucky, good]))
    told = {(row["method"], row["area"]): row for row in table.to_dicts()}
    assert told["3d_ep", 0.05]["better_than_random"] is False
    assert told["step", 0.05]["better_than_random"] is True
    assert told["3d_ep", 0.1]["better_than_random"] is None, "random has no mask of .3"
    assert reliability(pl.concat([random, lucky, good]))["pairs"].to_list() == [20]
    unknown = compare(pl.concat([random, lucky, good]).with_columns(visible_area=None))
    told = {(row["method"], row["area"]): row for row in unknown.to_dicts()}
    assert told["3d_ep", 0.1]["better_than_random"] is True, "by the area asked for"


def test_the_best_is_one_of_masks_as_large() -> None:
    small, large = masks("step", {0.1: (0.1, 0.5)}), masks("3d_ep", {0.1: (0.15, 0.9)})
    same = masks("grad", {0.1: (0.104, 0.4)})
    assert compare(pl.concat([small, large]))["best"].to_list() == [None, None]
    table = compare(pl.concat([small, same]))
    assert table.select("method", "best").rows() == [("grad", False), ("step", True)]
    less = compare(pl.concat([small, same]).with_columns(higher_is_better=False))
    assert less["best"].to_list() == [True, False]
    assert compare(small)["best"].to_list() == [None], "alone, it is no best"
    maps = numbers({"a": [0.1], "b": [0.2]})
    assert compare(maps)["best"].to_list() == [False, True]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four methods on four clips, searched for a few iterations."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(
            "sys.argv",
            [
                *("videxplain", "-m", "model=tiny_tsm", "method=grad,random,center,3d_ep"),
                *("data=shapes", "data.num_clips=4", "num_iter=4", "logger=none"),
                *("perturb_area=[0.1,0.2]", "map_area=[0.1,0.2]", "batch_size=4"),
                *("metrics=[visible_area,insertion_auc,precision_at_area,probability_kept]",),
                "metrics.insertion_auc.steps=8",
            ],
        )
        cli.main()
    return folder / "outputs"


def test_the_files_of_a_comparison(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (sweep,) = outputs.glob("sweeps/*")
    ran = runner("videxplain-sweep", sweep_cli.main, monkeypatch, capsys)("compare", str(sweep))
    assert ran.code == 0, ran.err
    folder = sweep / "comparison"
    assert ran.out.strip() == str(folder / "comparison.md")
    table = pl.read_csv(folder / "comparison.csv")
    assert table.equals(pl.read_parquet(folder / "comparison.parquet"))
    kept = table.filter(pl.col("metric") == "probability_kept")
    assert set(kept["method"]) == {"grad", "random", "center", "3d_ep"}
    assert set(kept["area"]) == {0.1, 0.2}
    assert set(kept["clips"]) == {4}
    text = (folder / "comparison.md").read_text()
    assert "## tiny_tsm (shapes)" in text
    assert "| random " in text
    agreed = pl.read_csv(folder / "agreement.csv")
    assert len(agreed) == 6 * 2, "pairs of methods, at two areas"
    for name in ("areas_tiny_tsm_shapes.png", "curves_tiny_tsm_shapes.png"):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 300


def test_agreement_is_exact_for_what_is_known(outputs: Path) -> None:
    jobs = finished(outputs)
    twice = [*jobs, *(replace(job, method=f"{job.method} again") for job in jobs)]
    table = agreement(twice, [0.1, 0.2])
    same = table.filter(pl.col("other_method") == pl.col("method") + " again")
    assert len(same) == 8
    assert same["rank_correlation"].to_list() == pytest.approx([1] * 8)
    assert same["overlap"].to_list() == pytest.approx([1] * 8)
    noise = table.filter((pl.col("method") == "grad") & (pl.col("other_method") == "random"))
    assert max(map(abs, noise["rank_correlation"])) < 0.05
    models = agreement([*jobs, *(replace(job, model="other") for job in jobs)], [0.1])
    between = models.filter(pl.col("between") == "models")
    assert set(between["method"]) == set(between["other_method"]) == {job.method for job in jobs}


def test_a_clip_counts_once(outputs: Path) -> None:
    jobs = finished(outputs)
    twice = [*jobs, *jobs]  # as jobs that differ in what they measure alone
    assert measured(twice).equals(measured(jobs))
    assert agreement(twice, [0.1]).equals(agreement(jobs, [0.1]))
    grad = next(job for job in jobs if job.method == "grad")
    curves = plots._curves([grad, grad])
    assert curves.keys() == {"insertion_auc"}
    assert len(curves["insertion_auc"]) == 4


def test_no_two_of_many_methods_look_the_same() -> None:
    many = pl.DataFrame({"method": [*(f"method {n:02d}" for n in range(24)), "random", "center"]})
    styles = plots._styles(many)
    assert len({(str(each["color"]), each["ls"]) for each in styles.values()}) == 26


def test_curves_that_are_no_numbers_in_places() -> None:
    values: list[list[float | None]] = [[0.0, 0.5, 1.0], [None, 0.1, None]]
    _, found = mean_shares([{"shares": [0.0, 0.5, 1.0], "values": each} for each in values])
    assert mean_known(found).tolist() == pytest.approx([0, 0.3, 1])
    assert np.isnan(mean_known(found[1:])).tolist() == [True, False, True]


def test_jobs_of_one_name_are_told_apart(outputs: Path, tmp_path: Path) -> None:
    names = {job.method for job in finished(outputs)}
    assert names == {"grad", "random", "center", "3d_ep"}
    for variant, area in (("preserve", 0.1), ("delete", 0.1), ("delete", 0.2)):
        folder = tmp_path / f"results/shapes/tiny_tsm/3d_ep/{variant}{area}"
        folder.mkdir(parents=True)
        method = {"variant": variant, "perturb_area": area, "batch_size": area}
        told = {
            "choices": {"model": "tiny_tsm", "method": "3d_ep"},
            "pretrain_dataset": {"name": "shapes"},
            "model": {},
            "method": method,
            "data": {},
        }
        done = {"format": 1, "state": "done", "config": told, "records": []}
        (folder / "result.json").write_text(json.dumps(done))
    names = {job.method for job in finished(tmp_path)}
    assert names == {"3d_ep variant=preserve", "3d_ep variant=delete"}


def test_clips_and_classes_told_apart(
    outputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Jobs that explain something else are not averaged with each other."""
    monkeypatch.chdir(tmp_path)
    run = runner("videxplain", cli.main, monkeypatch, capsys)
    common = ("data=shapes", "data.num_clips=1", "method=center,grad", "logger=none")
    less = ("metrics=[top_precision]", "data.seed=0,1", "target=label,predicted")
    assert run("-m", *common, *less).code == 0
    assert (
        run("-m", *common, "metrics=[top_precision]", "metrics.top_precision.share=0.5").code == 0
    )
    jobs = finished(Path("outputs"))
    assert {job.setting for job in jobs} == {
        f"target={target} data.seed={seed}" for target in ("label", "predicted") for seed in (0, 1)
    }
    assert {job.metric_name("top_precision") for job in jobs} == {
        "top_precision share=0.05",
        "top_precision share=0.5",
    }
    table = compare(measured(jobs))
    assert table["clips"].to_list() == [1] * 10, "4 settings of 2 methods, and 1 with another share"
    text = markdown.comparison(table, reliability(measured(jobs)), agreement(jobs, [0.1]))
    assert "## tiny_tsm (shapes), target=predicted data.seed=1" in text
    assert set(agreement(jobs, [0.1])["setting"]) == {job.setting for job in jobs}
    files = [name for name, _ in plots.area_plots(table)]
    assert len(files) == len(set(files)) == 4
    assert {job.setting for job in finished(outputs)} == {""}


def test_a_method_without_the_area_is_not_compared_there(outputs: Path) -> None:
    jobs = [job for job in finished(outputs) if job.method in ("grad", "3d_ep")]
    assert agreement(jobs, [0.1, 0.15])["area"].to_list() == [0.1]


def single(folder: Path, values: Mapping[str, float | None]) -> Finished:
    """A job of one clip, by one method."""
    names = {"clip": "a", "label": "up", "target": "up", "prediction": "up"}
    record = {**names, "area": None, "probability": 0.5, "metrics": values, "curves": {}}
    measures = {name: {"higher_is_better": True} for name in values}
    choices = {"model": "net", "method": "grad"}
    told = {
        "choices": choices,
        "pretrain_dataset": {"name": "shapes"},
        "model": {},
        "method": {},
        "data": {},
        "polarity": "positive",
    }
    outcome = {"measures": measures, "config": told}
    done = {"format": 1, "state": "done", "records": [record], **outcome}
    (folder / "result.json").write_text(json.dumps(done))
    return Finished(folder, "net", "data", "", "grad", {}, outcome)


def test_one_method_on_one_clip(tmp_path: Path) -> None:
    table = compare(measured([single(tmp_path, {"score": 0.5, "gone": None})]))
    text = markdown.comparison(
        table, reliability(measured([single(tmp_path, {"score": 0.5})])), agreement([], [])
    )
    assert "| grad     | 0.500 |" in text
    assert "nothing can be said about chance" in text
    assert "nan" not in text
    assert len(list(plots.area_plots(table))) == 1
    assert not list(plots.area_plots(table.with_columns(higher_is_better=None)))


def test_what_cannot_be_compared_is_told(tmp_path: Path) -> None:
    job = single(tmp_path, {"score": None})
    with pytest.raises(ConfigError, match="none of the metrics applies"):
        measured([job])
    old = replace(single(tmp_path, {"score": 1}), outcome={"measures": {}})
    with pytest.raises(ConfigError, match="older version"):
        measured([old])


def test_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no finished job"):
        finished(tmp_path)
