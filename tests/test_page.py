"""The report in a real browser, as a reader opens it from the disk."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tests.browser import column, frames, look, needs_browser
from tests.commands import runner
from videxplain import cli, sweep_cli

HOSTILE = "<img src=x onerror=window.hacked=1>"
SWEEP = (
    *("-m", "model=tiny_tsm,tiny_r2plus1d", "method=grad,3d_ep,random", "data=files"),
    *("videos_dir=videos", "target=predicted", "num_iter=4", "logger=none", "report=false"),
    *("perturb_area=[0.1,0.3]", "map_area=[0.1,0.3]", "batch_size=2"),
    "metrics=[visible_area,probability_kept,preserved]",
)

pytestmark = needs_browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a sweep over two clips, one of them with a name that would run in a careless page."""
    folder = tmp_path_factory.mktemp("page")
    for name in (HOSTILE, "waving"):
        for number in range(16):
            level = np.full((64, 64, 3), 15 * number, np.uint8)
            (folder / "videos" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(level).save(folder / "videos" / name / f"{number:02}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["videxplain", *SWEEP])
        cli.main()
        from videxplain.report.site import write_report

        (sweep,) = folder.glob("outputs/sweeps/*")
        return write_report(sweep)


def test_jobs_are_sorted_and_filtered(page: Any, report: Path) -> None:  # noqa: ANN401
    look(page, report, "overview")
    assert len(column(page, 1)) == 6
    page.get_by_role("button", name="Method").click()
    assert column(page, 4) == sorted(column(page, 4))
    page.get_by_role("button", name="Method").click()
    assert column(page, 4) == sorted(column(page, 4), reverse=True)
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Method")
    page.get_by_label("Model").select_option("tiny_tsm")
    assert set(column(page, 2)) == {"tiny_tsm"}
    page.get_by_label("Search").fill("3d_ep")
    assert column(page, 4) == ["3d_ep"]


def test_plots_and_tables_hold_the_numbers_of_the_comparison(
    page: Any,  # noqa: ANN401
    report: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sweep = report.parents[1]
    ran = runner("videxplain-sweep", sweep_cli.main, monkeypatch, capsys)("compare", str(sweep))
    assert ran.code == 0, ran.err
    table = pl.read_csv(sweep / "comparison" / "comparison.csv").filter(
        (pl.col("model") == "tiny_tsm") & (pl.col("metric") == "probability_kept")
    )
    look(page, report, "comparison")
    page.get_by_label("Network").select_option("tiny_tsm (shapes)")
    page.get_by_role("combobox", name="Metric").select_option("probability_kept")
    page.wait_for_selector(".plot .main-svg")
    drawn = page.evaluate(
        "document.querySelector('.plot').data.filter((each) => each.name)"
        ".map((each) => [each.name, each.x, each.y])"
    )
    assert {name for name, _, _ in drawn} == {"grad", "3d_ep", "random"}
    for name, x, y in drawn:
        wanted = table.filter(pl.col("method") == name).sort("area")
        assert y == pytest.approx(wanted["mean"].to_list())
        assert x == pytest.approx(wanted["visible_area"].to_list())
    cells = page.locator("tbody tr", has_text="3d_ep").locator("td").all_inner_texts()
    means = table.filter(pl.col("method") == "3d_ep").sort("area")["mean"].to_list()
    assert [float(cell.split("°")[0].split()[0]) for cell in cells[1:]] == pytest.approx(
        means, abs=5e-4
    )
    page.get_by_role("checkbox", name="grad").uncheck()
    assert set(column(page, 1)) == {"3d_ep", "random (floor)"}
    page.get_by_role("checkbox", name="0.3").uncheck()
    assert page.locator("thead th").all_inner_texts() == ["method", "0.1"]


def brightness(page: Any) -> list[float]:  # noqa: ANN401
    """Of each tile's first picture."""
    found: list[float] = page.eval_on_selector_all(
        ".tile figure:first-child canvas",
        "all => all.map(c => c.getContext('2d').getImageData(0, 0, 8, 8).data[0])",
    )
    return found


def open_clip(page: Any, report: Path, name: str) -> None:  # noqa: ANN401
    look(page, report, "gallery")
    page.get_by_role("link", name=name, exact=True).click()
    page.wait_for_selector(".tile canvas")


def test_all_tiles_move_in_step(page: Any, report: Path) -> None:  # noqa: ANN401
    open_clip(page, report, "waving")
    assert frames(page) == ["0"] * 3
    dark = brightness(page)
    page.keyboard.press("ArrowRight")
    assert frames(page) == ["1"] * 3
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert frames(page) == ["15"] * 3, "round the end"
    assert all(now > before + 150 for now, before in zip(brightness(page), dark, strict=True))
    page.get_by_label("Frame").fill("7")
    assert frames(page) == ["7"] * 3
    page.keyboard.press(" ")
    page.wait_for_function("document.querySelector('.tile').dataset.frame !== '7'")
    page.get_by_role("button", name="Pause").click()
    assert len(set(frames(page))) == 1
    assert page.get_by_role("button", name="Play").is_visible()


def test_what_tiles_say_and_show_can_be_chosen(page: Any, report: Path) -> None:  # noqa: ANN401
    open_clip(page, report, "waving")
    assert page.locator(".tile canvas").count() == 12
    page.get_by_role("checkbox", name="deleted").uncheck()
    assert page.locator(".tile canvas").count() == 9
    page.get_by_role("checkbox", name="random").uncheck()
    page.wait_for_function("document.querySelectorAll('.tile').length === 2")
    page.get_by_label("Area").select_option("0.3")
    tile = page.locator(".tile", has_text="3d_ep")
    page.wait_for_function("document.body.innerText.includes('mask of area 0.3')")
    assert "probability kept" in tile.inner_text()
    assert "scale: mask, 0 to 1" in tile.inner_text()
    assert "its 30 % most salient voxels" in page.locator(".tile", has_text="grad").inner_text()
    heat = "document.querySelectorAll('.tile canvas')[1].toDataURL()"
    before = page.evaluate(heat)
    page.get_by_role("combobox", name="Colours").select_option("jet")
    page.wait_for_function(f"{heat} !== {before!r}")


def test_hostile_names_are_text(page: Any, report: Path) -> None:  # noqa: ANN401
    open_clip(page, report, HOSTILE)
    assert page.locator("h1").inner_text() == HOSTILE
    page.get_by_role("link", name="All numbers of this clip").click()
    page.wait_for_selector(".plot .main-svg")
    assert page.locator("h1").inner_text() == HOSTILE
    assert "videxplain" in page.locator("code.command").inner_text()
    look(page, report, "clip/%3Cimg%20src=x%20onerror=window.hacked=1%3E")
    page.wait_for_function("document.querySelector('h1').innerText === 'No such clip'")


@pytest.mark.parametrize("view", ["overview", "comparison", "gallery"])
def test_it_fits_a_phone_and_the_dark(
    view: str,
    page: Any,  # noqa: ANN401
    report: Path,
) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    look(page, report, view)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert light != dark


def test_what_a_network_raises_is_text(
    page: Any,  # noqa: ANN401
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = (
        *("import torch", "class Net(torch.nn.Module):", "    def forward(self, frames):"),
        f"        raise RuntimeError({HOSTILE!r})",
    )
    (tmp_path / "broken_network.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    own = ("plugins=[broken_network]", "model=custom", "model.net._target_=broken_network.Net")
    more = (
        "data=shapes",
        "data.num_clips=1",
        "method=grad,center",
        "logger=none",
        "model.size=[32,32]",
    )
    ran = runner("videxplain", cli.main, monkeypatch, capsys)(
        "-m", *own, *more, "target=predicted", "model.frames=8"
    )
    assert ran.code == 1, ran.err
    (report,) = tmp_path.glob("outputs/sweeps/*/report/index.html")
    look(page, report, "overview", "tbody tr")
    assert column(page, 1) == ["failed"] * 2
    assert all(HOSTILE in why for why in column(page, 7))
    assert page.locator("#view img").count() == 0
