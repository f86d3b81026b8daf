"""Figures for papers: what stands in them is what is on disk, and each mistake is one sentence."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from tests.commands import Run, runner
from videxplain import cli, figure_cli, figures
from videxplain.report.chosen import Choice, choose
from videxplain.report.figure import animation, save_grid
from videxplain.report.figure_rows import Look, Row, Sheet, Show, sheet
from videxplain.sinks.disk import load_attribution
from videxplain.types import Clips

SWEEP = (
    *("-m", "model=tiny_tsm", "data=shapes", "num_iter=4", "logger=none", "report=false"),
    "metrics=[visible_area,probability_kept,preserved]",
)
SHOWN = [0, 5, 10, 15]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Masks at two areas and at another, and maps cut at one, of two clips."""
    folder = tmp_path_factory.mktemp("drawn")
    several = ("data.num_clips=2", "map_area=[0.1]")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for own in (
            ("method=3d_ep,grad,random", "perturb_area=[0.1,0.3]"),
            ("method=step", "perturb_area=0.2"),
        ):
            patch.setattr("sys.argv", ["videxplain", *SWEEP, *several, *own])
            cli.main()
    return folder / "outputs"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("videxplain-figure", figure_cli.main, monkeypatch, capsys)


CLIP = "down-0-0000"


def drawn(outputs: Path, look: Look, area: float | None = None, *methods: str) -> Sheet:
    chosen = choose(outputs, Choice(CLIP, methods=methods, area=area))
    return sheet(chosen, area, look)


def overlays(outputs: Path, method: str, area: int) -> tuple[np.ndarray, ...]:
    """Clip, heat map and kept part, as the job's own pictures show them."""
    (each,) = choose(outputs, Choice(CLIP, methods=(method,))).explained
    pixels = each.job.pixels(CLIP)
    assert pixels is not None
    frames = np.load(pixels)["pixels"][None]
    clips = Clips(torch.zeros(1, 3, *frames.shape[1:4]), pixels=frames)
    return figures.overlay(clips, load_attribution(each.job.attribution(CLIP)), area=area).rows


@pytest.mark.parametrize(("method", "area"), [("3d_ep", 0), ("grad", 0), ("random", 0)])
def test_rows_are_the_pictures_of_the_job(outputs: Path, method: str, area: int) -> None:
    clip, heat, kept = overlays(outputs, method, area)
    shown = drawn(outputs, Look(frames=4), None, method)
    assert shown.numbers == tuple(each + 1 for each in SHOWN)
    assert np.array_equal(shown.rows[0].frames, clip[SHOWN])
    assert np.array_equal(shown.rows[1].frames, heat[SHOWN])
    seen = drawn(outputs, Look("kept", frames=4), None, method)
    assert np.array_equal(seen.rows[1].frames, kept[SHOWN])
    assert seen.scale == ""


def test_what_is_deleted_is_the_rest(outputs: Path) -> None:
    clip, _, kept = overlays(outputs, "grad", 0)
    (row,) = drawn(outputs, Look("deleted"), None, "grad").rows[1:]
    untouched = np.all(kept == clip, axis=-1)
    assert 0.05 < np.mean(np.any(row.frames != clip, axis=-1)) < 0.11, "a tenth was deleted"
    assert np.array_equal(row.frames[~untouched], clip[~untouched])


def test_colours(outputs: Path) -> None:
    shown = {each: drawn(outputs, Look(colours=each), None, "3d_ep") for each in figures.COLOURS}
    assert figures.colour_table("jet")[[0, -1]].tolist() == [[0, 0, 128], [128, 0, 0]]
    assert figures.colour_table("viridis")[0].tolist() == [68, 1, 84]
    assert len({each.rows[1].frames.tobytes() for each in shown.values()}) == 3
    assert {each.scale for each in shown.values()} == {"masks: 0 to 1"}
    both = drawn(outputs, Look(), None, "3d_ep", "grad").scale
    assert both == "masks: 0 to 1; maps: shares of their 99th percentile"
    parser = figure_cli._parser().format_help()
    assert f"{{{','.join(figures.COLOURS)}}}" in parser
    assert f"{{{','.join(get_args(Show))}}}" in parser


def test_words_beside_the_rows(outputs: Path) -> None:
    shown = drawn(outputs, Look(), None, "grad", "3d_ep", "step")
    clip, grad, mask, other = shown.rows
    chosen = choose(outputs, Choice(CLIP, methods=("grad", "3d_ep", "step")))
    records = [each.records for each in chosen.explained]
    probability = records[0][0]["probability"]
    assert (clip.name, clip.facts) == ("clip", (f"p(down) = {probability:.2f}",))
    cut, small = records[0][1], records[1][0]
    assert (cut["area"], small["area"]) == (0.1, 0.1)
    assert grad.facts == (
        "positive values",
        "top 10 %",
        f"p kept {cut['metrics']['probability_kept']:.2f}",
    )
    kept, p = (small["metrics"][name] for name in ("visible_area", "probability_kept"))
    assert (mask.name, mask.facts) == ("3d_ep", (f"area 0.1, kept {kept:.2f}", f"p kept {p:.2f}"))
    assert [row.lost for row in (grad, mask)] == [
        each["metrics"]["preserved"] == 0 for each in (cut, small)
    ]
    assert other.facts[0].startswith("area 0.2 (none for 0.1), kept ")


def test_the_area_asked_for(outputs: Path) -> None:
    large, nearest = drawn(outputs, Look(), 0.3, "3d_ep", "step").rows[1:]
    assert np.array_equal(large.frames, overlays(outputs, "3d_ep", 1)[1])
    assert large.facts[0].startswith("area 0.3, kept")
    assert nearest.facts[0].startswith("area 0.2 (none for 0.3)")
    (top,) = drawn(outputs, Look("kept"), 0.3, "random").rows[1:]
    clip, *_ = overlays(outputs, "random", 0)
    assert np.mean(np.all(top.frames == clip, axis=-1)) == pytest.approx(0.3, abs=0.02)
    assert top.facts == ("top 30 %",), "it was not measured there"


def test_a_mask_that_loses_the_class_is_marked(outputs: Path, tmp_path: Path) -> None:
    shown = drawn(outputs, Look(frames=2), None, "3d_ep")
    first, row = shown.rows
    red = {}
    for lost in (False, True):
        path = tmp_path / f"{lost}.png"
        save_grid(replace(shown, rows=(first, replace(row, lost=lost))), path)
        red[lost] = count(path, (0xB0, 0x00, 0x20))
        titles = animation(replace(shown, rows=(first, replace(row, lost=lost)))).titles
        assert ("class not preserved" in titles[1]) is lost
    assert red[False] == 0 < red[True]


def count(path: Path, colour: tuple[int, int, int]) -> int:
    with Image.open(path) as picture:
        return int((np.asarray(picture.convert("RGB")) == colour).all(axis=-1).sum())


def plain_sheet(clip: str = "clip", name: str = "method") -> Sheet:
    """Two rows of three frames, each of a colour of its own."""
    rows = [
        Row(
            title,
            (f"{name} fact",),
            lost=False,
            frames=np.stack(
                [np.full((10, 20, 3), (200, 90 * row, 90 * t), np.uint8) for t in range(3)]
            ),
        )
        for row, title in enumerate(("clip", name))
    ]
    return Sheet(clip, tuple(rows), (1, 2, 3), "masks: 0 to 1", "viridis")


def test_each_frame_stands_in_its_place(tmp_path: Path) -> None:
    save_grid(plain_sheet(), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    places = np.zeros((2, 3, 2))
    for row, t in np.ndindex(2, 3):
        found = np.argwhere((pixels == (200, 90 * row, 90 * t)).all(axis=-1))
        height, width = np.ptp(found, axis=0) + 1
        assert (height, width) == pytest.approx((120, 240), abs=2), "0.4 and 0.8 inches"
        assert len(found) == height * width
        places[row, t] = found.mean(axis=0)
    assert np.ptp(places[..., 0], axis=1).max() < 1, "rows"
    assert np.ptp(places[..., 1], axis=0).max() < 1, "columns"
    assert np.diff(places[0, :, 1]) == pytest.approx([249, 249], abs=1)
    for colour in figures.colour_table("viridis")[[0, 128, 255]]:
        assert (pixels == colour).all(axis=-1).sum() >= 27, "the colour bar"


def test_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    for suffix in (".png", ".pdf"):
        for name in ("a", "b"):
            save_grid(plain_sheet(), tmp_path / f"{name}{suffix}")
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_a_png_and_a_pdf_without_output(outputs: Path, run: Run) -> None:
    ran = run(str(outputs), "--clip", CLIP)
    assert ran.code == 0, ran.err
    png, pdf = map(Path, ran.out.split())
    assert (png.parent, pdf.parent) == (outputs, outputs)
    assert png.name.startswith(f"figure-{CLIP}-")
    assert pdf.stem == png.stem
    with Image.open(png) as picture:
        assert picture.size[0] == pytest.approx(2300, abs=150), "8 frames, and the words"
    data = pdf.read_bytes()
    assert data.startswith(b"%PDF")
    assert b"/FontFile2" in data, "TrueType, embedded"
    assert b"/Type3" not in data


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_animations_have_every_frame_or_as_many_as_asked(
    outputs: Path, tmp_path: Path, run: Run, suffix: str
) -> None:
    path = tmp_path / f"new/a{suffix}"
    for asked, frames in (((), 16), (("--frames", "5"), 5)):
        methods = ("--method", "grad,3d_ep")
        ran = run(str(outputs), "--clip", CLIP, *methods, "--output", str(path), *asked)
        assert (ran.code, ran.out.strip()) == (0, str(path)), ran.err
        with Image.open(path) as picture:
            assert getattr(picture, "n_frames", 1) == frames
            assert picture.size[0] == 3 * (4 * 64 + 2)


def test_odd_names_are_drawn_as_text(tmp_path: Path) -> None:
    odd = "$\\frac{x$ <b>&\n\u202e\x00 \u6f22" + "long " * 60
    shown = plain_sheet(odd, f"$_{odd}")
    for suffix in (".png", ".pdf"):
        save_grid(shown, tmp_path / f"a{suffix}")
    figure = animation(shown)
    assert figure.caption.startswith("$\\frac{x$ <b>&\\n\\u202e\\x00 \\u6f22long")
    figure.save(tmp_path / "a.gif")


def test_a_clip_of_an_odd_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """From the folder of its frames to the figure."""
    odd = "down-$\\frac{x$ <b>&'\n\u6f22"
    frames = tmp_path / "videos" / odd
    frames.mkdir(parents=True)
    for t in range(16):
        Image.new("RGB", (80, 64), (0, 10 * t, 99)).save(frames / f"{t:03d}.png")
    monkeypatch.chdir(tmp_path)
    job = ("videos_dir=videos", "model=tiny_tsm", "method=grad", "logger=none", "report=false")
    monkeypatch.setattr("sys.argv", ["videxplain", *job])
    cli.main()
    ran = run("outputs")
    assert ran.code == 0, ran.err
    told = ran.out.splitlines()[-2:]  # the job before lets libraries log what they do
    assert [Path(each).suffix for each in told] == [".png", ".pdf"]
    assert choose(Path("outputs"), Choice()).clip == odd
    assert run("outputs", "--clip", odd, "--output", "a.webp").code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "holds 2 clips: choose one with --clip, down-0-0000, left-0-0001"),
        (("--clip", "down-0-000"), "unknown clip 'down-0-000': did you mean 'down-0-0000' or"),
        (("--clip", CLIP, "--method", "grad,setp"), "unknown method 'setp': did you mean 'step'?"),
        (("--clip", CLIP, "--model", "r3d"), "unknown model 'r3d': choose from tiny_tsm"),
        (("--clip", CLIP, "--area", "0.15"), "unknown area '0.15': "),
        (("--clip", CLIP, "--area", "0.15"), "choose from 0.1, 0.2, 0.3"),
        (("--clip", CLIP, "--area", "1"), "--area 1: give a share between 0 and 1"),
        (("--clip", CLIP, "--frames", "0"), "--frames 0: give a whole number, at least 1"),
        (("--clip", CLIP, "--output", "a.jpg"), "unknown suffix of --output '.jpg': "),
        (("--clip", CLIP, "--output", "a.jpg"), "choose from .png, .pdf, .gif, .webp"),
    ],
)
def test_mistakes_are_told(outputs: Path, run: Run, arguments: tuple[str, ...], told: str) -> None:
    ran = run(str(outputs), *arguments)
    assert ran.code == 2
    assert told in ran.err
    assert ran.err.startswith("videxplain-figure: ")
    assert ran.err.count("\n") == 1


def test_words_that_are_no_choice(outputs: Path, run: Run) -> None:
    for arguments in (("--colours", "hot"), ("--show", "all"), ("--area", "much")):
        assert run(str(outputs), *arguments).code == 2


def test_nothing_to_draw(tmp_path: Path, run: Run) -> None:
    ran = run(str(tmp_path))
    assert (ran.code, "holds no finished job" in ran.err) == (2, True)


@pytest.fixture
def copied(outputs: Path, tmp_path: Path) -> Path:
    """Results to be spoilt."""
    return Path(shutil.copytree(outputs, tmp_path / "outputs"))


def record_of(copied: Path, method: str) -> Path:
    (found,) = copied.glob(f"results/*/*/{method}/*/records/{CLIP}-*.json")
    return found


def test_no_pictures_were_kept(copied: Path, run: Run) -> None:
    path = record_of(copied, "grad")
    path.write_text(json.dumps({**json.loads(path.read_text()), "pixels": None}))
    ran = run(str(copied), "--clip", CLIP)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert f"no pictures of '{CLIP}' were kept" in ran.err
    assert run(str(copied), "--clip", CLIP, "--method", "3d_ep", "--frames", "1").code == 0
    path.unlink()
    assert "cannot be read" in run(str(copied), "--clip", CLIP).err


def test_damaged_files(copied: Path, run: Run) -> None:
    (attribution,) = copied.glob(f"results/*/*/random/*/attributions/{CLIP}-*.npz")
    attribution.write_bytes(b"PK")
    ran = run(str(copied), "--clip", CLIP, "--method", "random")
    assert (ran.code, "random" in ran.err, "overwrite=true" in ran.err) == (2, True, True)
    for pixels in copied.glob("clips/*.npz"):
        pixels.write_bytes(b"")
    ran = run(str(copied), "--clip", CLIP, "--method", "grad")
    assert (ran.code, "clips" in ran.err, "overwrite=true" in ran.err) == (2, True, True)


def test_models_that_see_other_pictures(copied: Path, run: Run) -> None:
    """As networks of other sizes do; the same pictures stand above the rows of both."""
    (job,) = copied.glob("results/*/tiny_tsm/grad/*")
    other = Path(shutil.copytree(job, copied / "results/shapes/other/grad/copy"))
    result = json.loads((other / "result.json").read_text())
    result["config"]["choices"]["model"] = "other"
    (other / "result.json").write_text(json.dumps(result))
    rows = drawn(copied, Look(), None, "grad").rows
    assert {row.facts[0] for row in rows[1:]} == {"other", "tiny_tsm"}
    (path,) = other.glob(f"records/{CLIP}-*.json")
    (left,) = other.glob("records/left-0-0001-*.json")
    pixels = json.loads(left.read_text())["pixels"]
    path.write_text(json.dumps({**json.loads(path.read_text()), "pixels": pixels}))
    ran = run(str(copied), "--clip", CLIP, "--method", "grad")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert f"see '{CLIP}' in different sizes or frames: choose one with --model" in ran.err
    one = ("--model", "other", "--frames", "1", "--output", str(copied / "a.png"))
    assert run(str(copied), "--clip", CLIP, *one).code == 0
