"""Archives that are whole and of something else than their job: told, by whoever needs them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.commands import Ran, runner
from videxplain import cli, evaluate_cli, figure_cli, report_cli
from videxplain.sinks.arrays import read_arrays, write_arrays

JOB = "data=shapes data.num_clips=2 method=center metrics=[visible_area] report=false device=cpu"
MAIN = {
    "videxplain-evaluate": evaluate_cli.main,
    "videxplain-report": report_cli.main,
    "videxplain-figure": figure_cli.main,
}
ARGUMENTS = {
    "videxplain-evaluate": ("outputs", "metrics=[gini]", "device=cpu"),
    "videxplain-report": ("outputs",),
    "videxplain-figure": ("outputs", "--clip=down-0-0000", "--output=f.png"),
}
Arrays = dict[str, np.ndarray]
ATTRIBUTION = "outputs/results/*/*/*/*/attributions/down-*.npz"
OTHER_AREAS = "it has other areas than its record"


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], Ran]:
    monkeypatch.chdir(tmp_path)
    ran = runner("videxplain", cli.main, monkeypatch, capsys)(*JOB.split())
    assert ran.code == 0, ran.err

    def reader(name: str) -> Ran:
        return runner(name, MAIN[name], monkeypatch, capsys)(*ARGUMENTS[name])

    return reader


def fewer_frames(arrays: Arrays) -> Arrays:
    return {**arrays, "values": arrays["values"][:, :, :5]}


def other_class(arrays: Arrays) -> Arrays:
    return {**arrays, "target": np.array(99999)}


def other_area(arrays: Arrays) -> Arrays:
    return {**arrays, "areas": np.array([0.77])}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            fewer_frames,
            {
                "videxplain-evaluate": "it is of another clip or class",
                "videxplain-figure": "it is of other frames than the pictures",
            },
        ),
        (other_class, {"videxplain-evaluate": "it is of another clip or class"}),
        (
            other_area,
            {"videxplain-evaluate": OTHER_AREAS, "videxplain-report": OTHER_AREAS},
        ),
    ],
)
def test_an_attribution_of_something_else(
    change: Callable[[Arrays], Arrays], told: dict[str, str], call: Callable[[str], Ran]
) -> None:
    (path,) = Path().glob(ATTRIBUTION)
    write_arrays(path, change(read_arrays(path)))
    for name in told:
        ran = call(name)
        assert ran.code == 2
        assert f"{path.name} cannot be read ({told[name]})" in ran.err
        assert ran.err.count("\n") == 1


def test_clips_of_two_jobs(call: Callable[[str], Ran]) -> None:
    (path,) = Path().glob(ATTRIBUTION)
    arrays = read_arrays(path)
    write_arrays(path, {**arrays, "values": np.repeat(arrays["values"], 3, axis=1)})
    assert "are of two jobs: run it with overwrite=true" in call("videxplain-evaluate").err
    write_arrays(path, fewer_frames(arrays))
    said = "cannot be read (it has another shape than that of the job's first clip)"
    assert said in call("videxplain-report").err


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 8, 8), np.uint8), np.zeros((4, 8, 8, 3), np.float32)]
)
def test_pictures_that_are_none(pixels: np.ndarray, call: Callable[[str], Ran]) -> None:
    for path in Path().glob("outputs/clips/*.npz"):
        write_arrays(path, {"pixels": pixels})
    for name in ("videxplain-report", "videxplain-figure"):
        ran = call(name)
        assert ran.code == 2
        assert "cannot be read (it holds no pictures of a clip)" in ran.err
        assert ran.err.count("\n") == 1
