"""What a job does with what a method gives it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jaxtyping
import pytest

from tests.commands import Run, runner
from videxplain import cli
from videxplain.data.shapes import shapes
from videxplain.errors import ConfigError
from videxplain.methods.center import Center
from videxplain.runner import check_names


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner("videxplain", cli.main, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda found: found.values, "center returns Tensor: let it return an Attribution"),
        (
            lambda found: replace(found, values=found.values[..., 1:]),
            "center returns values of shape (1, 2, 1, 16, 64, 63): give a b c t h w (areas, clips, "
            "channels, frames, rows, columns), here (1, 2, 1 or 3, 16, 64, 64)",
        ),
        (lambda found: replace(found, areas=(0.1, 0.2)), "here (2, 2, 1 or 3, 16, 64, 64)"),
        (lambda found: replace(found, areas=(10.0,)), "center returns areas (10.0,): give shares"),
        (
            lambda found: replace(found, curves={"loss": found.values[:, 0, 0, :, 0, 0]}),
            "center returns a curve 'loss' of shape (1, 16): give a b i (areas, clips, iterations)",
        ),
    ],
    ids=["no attribution", "width", "areas", "percent", "curve"],
)
def test_a_method_that_gives_something_else_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Any], object], told: str
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside of tests
    whole = Center.__call__
    monkeypatch.setattr(Center, "__call__", lambda *given: spoil(whole(*given)))
    ran = run("method=center", "data.num_clips=2", "data=shapes")
    assert ran.code == 2
    assert told in ran.err
    assert "Traceback" not in ran.err


def test_masks_that_still_move_are_told(run: Run) -> None:
    ran = run("method=step", "num_iter=3", "perturb_area=[0.1,0.2]", "data=shapes")
    assert "4 of 4 masks still moved when the search ended" in ran.out
    assert "still moved" not in run("method=grad", "map_area=[0.1]").out


def test_two_clips_of_one_name_are_refused() -> None:
    """Results are kept under names."""
    videos = shapes(num_clips=3)
    check_names(videos)
    with pytest.raises(ConfigError, match="several clips are named down-0-0000: give each"):
        check_names([*videos, videos[0]])
