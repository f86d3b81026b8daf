"""The page over a report written by hand: what a sweep seldom holds, and what is drawn of it."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests import page_data
from tests.browser import column, frames, look, needs_browser
from videxplain.report.page_files import put

MANY = 1000

pytestmark = needs_browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_data.write(tmp_path_factory.mktemp("written"))


def pixel(page: Any, method: str, kind: str, x: int, y: int = 0) -> list[int]:  # noqa: ANN401
    canvas = page.get_by_label(f"{kind} by {method}", exact=True)
    found: list[int] = canvas.evaluate(
        "(c, [x, y]) => [...c.getContext('2d').getImageData(x, y, 1, 1).data.slice(0, 3)]", [x, y]
    )
    return found


def test_errors_and_reasons_are_text(page: Any, report: Path) -> None:  # noqa: ANN401
    look(page, report, "overview", "tbody tr")
    assert "6 done, 1 failed, 1 skipped" in page.locator("p").first.inner_text()
    assert page.locator("tr.failed td").all_inner_texts()[6] == " ".join(
        page_data.ERROR.split("\n")
    )
    assert page_data.SKIPPED in page.locator("tr.skipped").inner_text()
    assert page.locator("#view img").count() == 0


def test_a_filter_leaves_the_order(page: Any, report: Path) -> None:  # noqa: ANN401
    look(page, report, "overview", "tbody tr")
    for _ in range(2):
        page.get_by_role("button", name="Seconds").click()
    page.get_by_label("Model").select_option("net_a")
    assert column(page, 6) == ["4.5", "3.0", "1.5"]


def test_a_thousand_jobs_come_up_in_parts(page: Any, tmp_path: Path) -> None:  # noqa: ANN401
    many = page_data.write(tmp_path)
    put(tmp_path, "overview", page_data.overview([page_data.a_job(n) for n in range(MANY)]))
    before = time.perf_counter()
    look(page, many, "overview", "tbody tr")
    assert time.perf_counter() - before < 10, "usually half a second"
    assert page.locator("tbody tr").count() == 100
    page.get_by_role("button", name="Show more (900 left)").click()
    assert page.locator("tbody tr").count() == 200
    page.get_by_label("Search").fill("seed=777")
    assert column(page, 6) == ["1165.5"]


def test_few_of_many_methods_are_shown_until_asked_for(
    page: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    many = page_data.write(tmp_path)
    methods = [*(f"m{number:02}" for number in range(14)), "random"]
    rows = [page_data.row("net_a", "kept", method, 0.25, 0.5) for method in methods]
    names = {"model": "net_a", "pretrain_dataset": "shapes", "setting": ""}
    job = page_data.job("net_a", "step")
    curves = [{**names, "method": method, "job": job} for method in methods]
    measure = {"kept": {"higher_is_better": True, "category": "causal", "citation": "none"}}
    told = {"metrics": measure, "rows": rows, "reliability": [], "curves": curves}
    put(tmp_path, "comparison", told)
    look(page, many, "comparison", ".plots .plot .main-svg")
    assert page.locator("tbody tr").count() == 11
    assert "11 of 15 methods are shown" in page.get_by_role("status").inner_text()
    for method in methods[10:14]:
        page.get_by_role("checkbox", name=method).check()
    assert page.locator("tbody tr").count() == 15
    page.wait_for_function(
        "[...document.querySelectorAll('.plot')]"
        ".every(p => p.data?.filter(e => e.name).length > 14)"
    )


def test_what_a_metric_tells_is_said(page: Any, report: Path) -> None:  # noqa: ANN401
    look(page, report, "comparison", "tbody tr")
    said = page.locator("#view").inner_text()
    assert (
        "Of the target through the mask. Higher is better. Better than random in 97 % of 240 pairs"
        in said
    )
    assert "[90, 99]" in said
    assert "Source: Fong et al., ICCV 2019." in said
    step, grad, random = page.locator("tbody tr").all()
    assert step.locator("strong").all_inner_texts() == ["0.825", "0.850"]
    assert "0.500°" in grad.inner_text()
    assert random.inner_text().startswith("random (floor)")
    metric = page.get_by_role("combobox", name="Metric")
    metric.select_option("deletion_auc")
    page.get_by_text("Lower is better.").wait_for()
    page.get_by_text("too few clips to tell").wait_for()
    page.get_by_label("Network").focus()
    page.get_by_label("Network").select_option("net_b (shapes)")
    assert page.evaluate("document.activeElement.value") == "net_b (shapes)", "keeps the focus"


def test_curves_are_those_of_the_area(page: Any, report: Path) -> None:  # noqa: ANN401
    look(page, report, "comparison", ".plots .plot .main-svg")
    energy = "document.querySelector('.plots .plot').data?.map(e => [e.name, e.y])"
    for area, end in (("0.25", 1), ("0.5", 2)):
        page.get_by_label("Area of the curves").select_option(area)
        page.get_by_text(f"energy against the iteration at area {area}").wait_for()
        page.wait_for_function(energy)
        assert page.evaluate(energy) == [["step", [3, 2, end]]]


def test_kept_and_deleted_are_made_of_mask_and_clip(
    page: Any,  # noqa: ANN401
    report: Path,
) -> None:
    look(page, report, "gallery/waving", ".tile canvas")
    page.get_by_label("Frame").fill("3")
    clip, nothing = [page_data.original(3)] * 3, [page_data.BLURRED] * 3
    assert pixel(page, "step", "original", 0) == clip
    assert [pixel(page, "step", "kept", x) for x in (0, 31)] == [clip, nothing]
    assert [pixel(page, "step", "deleted", x) for x in (0, 31)] == [nothing, clip]
    assert pixel(page, "grad", "kept", 0) == nothing, "the later half is the most salient"
    page.get_by_label("Frame").fill("7")
    assert pixel(page, "grad", "kept", 0) == [page_data.original(7)] * 3
    page.get_by_role("slider", name="Opacity").fill("1")
    assert pixel(page, "step", "heat map", 0) == [0xFD, 0xE7, 0x25], "viridis at one"
    page.get_by_role("slider", name="Hide below").fill("0.5")
    assert pixel(page, "step", "heat map", 31) == [page_data.original(7)] * 3
    page.get_by_label("Network").select_option("net_b (shapes)")
    page.get_by_label("step, net_b (shapes)").wait_for()
    assert frames(page) == ["3"] * 3
    assert pixel(page, "step", "kept", 31) == [page_data.FADED] * 3


def test_a_mask_that_loses_the_class_says_so(page: Any, report: Path) -> None:  # noqa: ANN401
    look(page, report, "gallery/waving", ".tile canvas")
    assert page.get_by_text("class not preserved").count() == 0
    page.get_by_label("Area").select_option("0.25")
    page.get_by_text("class not preserved").wait_for()
    assert "random" in page.locator(".tile.failed h3").all_inner_texts()
    step = page.get_by_label("step, net_a (shapes)").inner_text()
    assert "mask of area 0.25; probability kept 0.900 (whole clip 0.980)" in step
    assert "keeps 0.270 of the clip; converged at 180" in step
    assert pixel(page, "step", "kept", 8) == [page_data.BLURRED] * 3, "the smaller mask"


def test_keys_are_the_players_where_no_control_needs_them(
    page: Any,  # noqa: ANN401
    report: Path,
) -> None:
    look(page, report, "gallery/waving", ".tile canvas")
    opacity = page.get_by_role("slider", name="Opacity")
    opacity.focus()
    page.keyboard.press("ArrowRight")
    assert (opacity.input_value(), frames(page)) == ("0.6", ["0"] * 3)
    page.get_by_label("Frame").focus()
    page.keyboard.press("ArrowRight")
    assert frames(page) == ["1"] * 3
    page.get_by_role("button", name="Play").focus()
    page.keyboard.press("ArrowRight")
    assert frames(page) == ["2"] * 3
    page.keyboard.press(" ")
    page.wait_for_function("document.querySelector('.tile').dataset.frame !== '2'")
    page.keyboard.press(" ")
    assert page.get_by_role("button", name="Play").is_visible()


def test_leaving_stops_the_player(page: Any, report: Path) -> None:  # noqa: ANN401
    look(page, report, "gallery/waving", ".tile canvas")
    page.evaluate(
        "() => { const old = CanvasRenderingContext2D.prototype.putImageData; window.drawn = 0;"
        " CanvasRenderingContext2D.prototype.putImageData ="
        " function (...all) { window.drawn += 1; return old.apply(this, all); }; }"
    )
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("window.drawn > 0")
    page.evaluate("location.hash = '#/overview'")
    page.wait_for_selector("tbody tr")
    before = page.evaluate("window.drawn")
    page.wait_for_timeout(500)
    page.keyboard.press(" ")
    assert page.evaluate("window.drawn") == before
    assert page.title() == "Overview - videxplain report"


@pytest.mark.parametrize("clip", ["%E0%A4%A", "..%2F..%2Fjobs", "nothing"])
def test_a_clip_that_is_not_there_is_not_asked_for(
    clip: str,
    page: Any,  # noqa: ANN401
    report: Path,
) -> None:
    look(page, report, f"gallery/{clip}", "tbody tr")
    assert page.get_by_text("There is no such clip").is_visible()
    assert column(page, 1) == list(page_data.CLIPS.values())


def test_a_missing_file_is_told(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    report = page_data.write(tmp_path)
    (tmp_path / "data" / "clips.js").unlink()
    page = browser.new_page()
    look(page, report, "gallery", "[role=alert]")
    assert "clips.js is missing" in page.get_by_role("alert").inner_text()
    (tmp_path / "data" / "clips.js").write_text('videxplain.put("other", 1);\n')
    page.reload()
    page.wait_for_selector("[role=alert]")
    assert "make the report again" in page.get_by_role("alert").inner_text()
    page.close()


@pytest.mark.parametrize("view", ["gallery/waving", "clip/img_src_x-1f", "comparison"])
def test_long_pages_fit_a_phone(view: str, page: Any, report: Path) -> None:  # noqa: ANN401
    page.set_viewport_size({"width": 360, "height": 740})
    look(page, report, view, ".tile canvas" if "gallery" in view else ".plot .main-svg")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
