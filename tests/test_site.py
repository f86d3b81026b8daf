"""The report on disk: the data that the page shows are those of the results."""

import base64
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from einops import rearrange
from PIL import Image

from tests.commands import Run, runner
from tests.test_data import write_frames
from videxplain import cli, report_cli
from videxplain.report.comparison import compare, measured
from videxplain.report.finished import finished
from videxplain.report.page_files import put
from videxplain.report.site import write_report
from videxplain.sinks.disk import load_attribution

SWEEP = (
    *("-m", "model=tiny_tsm", "method=grad,3d_ep,random", "data=shapes", "data.num_clips=2"),
    *("num_iter=4", "logger=none", "perturb_area=[0.1,0.3]", "map_area=[0.1]"),
    *("metrics=[visible_area,probability_kept,preserved,insertion_auc]",),
    "metrics.insertion_auc.steps=8",
)


def shown(folder: Path, name: str) -> Any:  # noqa: ANN401
    """What the page is handed under this name."""
    text = (folder / "report" / "data" / f"{name}.js").read_text(encoding="utf-8")
    found = re.fullmatch(r'videxplain\.put\("([^"]*)",(.*)\);\n', text)
    assert found is not None
    assert found[1] == name
    return json.loads(found[2])


def sheet(text: str, layout: Mapping[str, int]) -> np.ndarray:
    """Frames of a sheet."""
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2]))))
    columns = layout["columns"]
    tiles = rearrange(picture, "(y h) (x w) ... -> (y x) h w ...", h=layout["height"], x=columns)
    return tiles[: layout["count"]]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three methods on two clips, and one that cannot be run."""
    folder = tmp_path_factory.mktemp("shown")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["videxplain", *SWEEP])
        cli.main()
    (found,) = folder.glob("outputs/sweeps/*")
    return found


def test_the_overview_lists_every_job(sweep: Path) -> None:
    told = shown(sweep, "overview")
    assert {job["method"] for job in told["jobs"]} == {"grad", "3d_ep", "random"}
    assert {job["state"] for job in told["jobs"]} == {"done"}
    assert all(job["clips"] == 2 for job in told["jobs"])
    (step,) = (job for job in told["jobs"] if job["method"] == "3d_ep")
    assert step["command"].startswith("videxplain ")
    assert "method=3d_ep" in step["command"]
    assert "torch" in told["versions"]


def test_the_comparison_is_that_of_the_tables(sweep: Path) -> None:
    told = shown(sweep, "comparison")
    table = pl.DataFrame(told["rows"], infer_schema_length=None)
    wanted = compare(measured(finished(sweep)))
    names = ("method", "metric", "area", "best", "better_than_random")
    assert table.select(names).rows() == wanted.select(names).rows()
    for column in ("mean", "low", "high"):
        assert table[column].to_list() == pytest.approx(wanted[column].to_list())
    assert told["metrics"]["insertion_auc"]["higher_is_better"] is True
    assert {each["method"] for each in told["curves"]} == {"grad", "3d_ep", "random"}


def test_heat_maps_are_the_attributions(sweep: Path) -> None:
    for job in finished(sweep):
        if job.method == "random":
            continue
        clip = shown(sweep, "clips")["clips"][0]
        (tile,) = (
            each
            for each in shown(sweep, f"clips/{clip['clip']}")["tiles"]
            if each["job"] == job.name
        )
        media = shown(sweep, f"media/{job.name}/{clip['clip']}")
        attribution = load_attribution(job.folder / "attributions" / f"{clip['clip']}.npz")
        saliency = attribution.saliency("positive")[:, 0].numpy()
        assert [each["area"] for each in tile["maps"]] == list(attribution.areas or [None])
        for number, values in enumerate(saliency):
            drawn = sheet(media["sheets"][number], media) / 255
            top = 1 if attribution.areas else np.quantile(values, 0.99)
            np.testing.assert_allclose(drawn, (values / top).clip(0, 1), atol=0.5 / 255 + 1e-6)
            frames = values.sum(axis=(1, 2))
            np.testing.assert_allclose(media["temporal"][number], frames / frames.sum(), atol=1e-4)
        assert len(tile["records"]) == 2, "two areas, or the map and its cut"
        if attribution.areas:
            assert media["scales"] == ["mask, 0 to 1"] * 2
            np.testing.assert_allclose(
                media["iterations"]["energy"], attribution.curves["energy"][:, 0], atol=1e-4
            )


def test_curves_of_a_job_are_means_over_its_clips(sweep: Path) -> None:
    (job,) = (each for each in finished(sweep) if each.method == "3d_ep")
    told = shown(sweep, f"jobs/{job.name}")
    clips = [load_attribution(path) for path in sorted(job.folder.glob("attributions/*.npz"))]
    wanted = np.mean([each.curves["energy"][:, 0].numpy() for each in clips], axis=0)
    np.testing.assert_allclose(told["iterations"]["energy"], wanted, atol=1e-4)
    (curve,) = (each for each in told["shares"]["insertion_auc"] if each["area"] == 0.1)
    values = [
        record["curves"]["insertion_auc"]["values"]
        for record in job.records
        if record["area"] == 0.1
    ]
    np.testing.assert_allclose(curve["values"], np.mean(values, axis=0), atol=1e-4)


def test_pictures_are_those_of_the_clip(sweep: Path) -> None:
    clip = shown(sweep, "clips")["clips"][0]["clip"]
    pixels = shown(sweep, f"clips/{clip}")["tiles"][0]["frames"]
    frames = shown(sweep, f"frames/{pixels}")
    kept = np.load(sweep.parents[1] / "clips" / f"{pixels}.npz")["pixels"]
    found = sheet(frames["original"], frames).astype(float)
    assert np.abs(found - kept).mean() < 5
    blurred = sheet(frames["blurred"], frames).astype(float)
    assert blurred.std() < 0.5 * kept.std()


def test_what_has_not_changed_stays(sweep: Path) -> None:
    media = sorted(sweep.glob("report/data/media/*/*.js"))
    before = [path.stat().st_mtime_ns for path in media]
    write_report(sweep)
    assert [path.stat().st_mtime_ns for path in media] == before
    job, clip = media[0].parent.name, media[0].stem
    (record,) = sweep.parents[1].glob(f"results/*/*/*/{job}/records/{clip}.json")
    record.touch()  # it is written last, when a clip is explained anew or measured again
    write_report(sweep)
    after = [path.stat().st_mtime_ns for path in media]
    assert [new > old for new, old in zip(after, before, strict=True)] == [
        number == 0 for number in range(len(media))
    ]


@pytest.mark.parametrize("hostile", ["</script><img src=x onerror=alert(1)>", "a\u2028b&amp;<!--"])
def test_text_cannot_end_the_script(hostile: str, tmp_path: Path) -> None:
    put(tmp_path / "report", "odd", {"name": hostile, "value": float("nan")})
    text = (tmp_path / "report" / "data" / "odd.js").read_text(encoding="utf-8")
    assert not set(text) & set("<>&\u2028\u2029")
    assert shown(tmp_path, "odd") == {"name": hostile, "value": None}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner("videxplain", cli.main, monkeypatch, capsys)


def test_a_run_ends_with_its_page(run: Run) -> None:
    center = ("data=shapes", "data.num_clips=1", "method=center")
    ran = run(*center)
    (job,) = Path("outputs").glob("results/*/*/*/*")
    assert f"Page: {job / 'report' / 'index.html'}" in ran.out
    assert (job / "report" / "index.html").is_file()
    assert [each["state"] for each in shown(job, "overview")["jobs"]] == ["done"]
    assert "Page" not in run(*center, "report=false").out


def test_jobs_that_failed_are_shown(run: Run) -> None:
    ran = run("-m", "model=tiny_tsm", "method=center", "data=shapes", "data.num_clips=0,1")
    assert ran.code != 0
    wrong = ("method=center", "metrics=[]", "logger=none", "data=shapes", "data.num_clips=1")
    assert run("-m", *wrong).code == 0
    (sweep,) = Path("outputs/sweeps").glob("*")
    assert shown(sweep, "comparison")["rows"] == [], "nothing was measured"
    assert len(shown(sweep, "clips")["clips"]) == 1


def test_a_job_that_failed_alone_is_listed(run: Run, tmp_path: Path) -> None:
    for name in ("up-1", "up-2"):
        write_frames(tmp_path / "clips" / name, ["1.png"])
    picture = tmp_path / "clips" / "up-2" / "1.png"
    picture.write_bytes(picture.read_bytes()[:50])  # its size can be read, its colours cannot
    own = ("videos_dir=clips", "method=center", "target=predicted", "batch_size=1")
    assert run(*own).code == 2
    write_report(Path("outputs"))
    told = shown(Path("outputs"), "overview")
    (job,) = told["jobs"]
    assert (job["state"], job["clips"], job["model"]) == ("failed", 1, "tiny_tsm")
    assert "DataError" in job["error"]
    assert "up-2" in job["error"]
    assert job["folder"].startswith("results/shapes/tiny_tsm/center/"), "not where it is here"
    assert told["folder"] == f"{tmp_path.name}/outputs"


@pytest.mark.parametrize(
    ("damage", "said"),
    [("nothing here", "holds no job"), ("a broken file", "cannot be read")],
)
def test_mistakes_are_told_in_a_sentence(
    damage: str,
    said: str,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if damage == "a broken file":
        run("data=shapes", "data.num_clips=1", "method=center", "report=false")
        (archive,) = Path("outputs").glob("results/*/*/*/*/attributions/*.npz")
        archive.write_bytes(b"PK")
    ran = runner("videxplain-report", report_cli.main, monkeypatch, capsys)("outputs")
    assert ran.code == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1
