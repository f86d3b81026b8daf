"""Pictures: what is drawn, in which colours, and odd maps."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from videxplain.errors import ConfigError, OutputError
from videxplain.figures import draw, overlay
from videxplain.panels import drawable
from videxplain.types import Attribution, Clips, Record

TARGET = torch.tensor([0])


def clips(frames: int = 4) -> Clips:
    pixels = np.full((1, frames, 20, 30, 3), 100, dtype=np.uint8)
    return Clips(torch.zeros(1, 3, frames, 20, 30), pixels=pixels)


def test_a_mask_is_drawn_from_zero_to_one() -> None:
    values = torch.zeros(1, 1, 1, 4, 20, 30)
    values[..., 2, :, 15:] = 1
    figure = overlay(clips(), Attribution(values, TARGET, areas=(0.1,)))
    assert figure.titles[1] == "mask, 0 to 1"
    heat = figure.rows[1].astype(int)
    assert heat[2, 0, 20, 1] > heat[2, 0, 5, 1] + 80, "yellow is brighter in green than violet"
    assert np.array_equal(heat[0], heat[1])
    assert np.array_equal(figure.rows[2][2, :, 15:], figure.rows[0][2, :, 15:])


def test_what_is_kept_of_a_gradient_is_its_top_tenth() -> None:
    values = torch.zeros(1, 1, 3, 4, 20, 30)
    values[:, :, 0, 1, :8] = 1
    values[:, :, 0, 3] = -5
    figure = overlay(clips(), Attribution(values, TARGET))
    assert figure.titles == ("clip", "positive, to 99 %", "top 10%")
    brightest = figure.rows[1][..., 1].astype(int)
    assert brightest[1, 0, 0] > brightest[3, 0, 0]
    negative = overlay(clips(), Attribution(values, TARGET), polarity="negative")
    assert negative.rows[1][3, 0, 0, 1] > negative.rows[1][1, 0, 0, 1]


@pytest.mark.parametrize("level", [0.0, 1.0, -3.0])
def test_constant_maps(level: float) -> None:
    values = torch.full((1, 1, 3, 4, 20, 30), level)
    figure = overlay(clips(), Attribution(values, TARGET))
    assert all(row.dtype == np.uint8 for row in figure.rows)


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".png", ".jpg"])
def test_files(tmp_path: Path, suffix: str) -> None:
    values = torch.rand(1, 1, 1, 40, 20, 30, generator=torch.Generator().manual_seed(0))
    figure = overlay(clips(40), Attribution(values, TARGET, areas=(0.1,)), caption="up & <left>")
    figure.save(tmp_path / f"clip{suffix}")
    with Image.open(tmp_path / f"clip{suffix}") as picture:
        assert getattr(picture, "n_frames", 1) == (40 if suffix in (".webp", ".gif") else 1)


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    figure = overlay(clips(), Attribution(torch.zeros(1, 1, 1, 4, 20, 30), TARGET, areas=(0.1,)))
    with pytest.raises(OutputError, match=r"use one of \.gif, \.jpg, \.png, \.webp"):
        figure.save(tmp_path / "clip.mp4")


def test_the_folder_of_a_file_is_made(tmp_path: Path) -> None:
    figure = overlay(clips(), Attribution(torch.zeros(1, 1, 1, 4, 20, 30), TARGET, areas=(0.1,)))
    figure.save(tmp_path / "new" / "folder" / "clip.png")
    assert (tmp_path / "new" / "folder" / "clip.png").is_file()


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ({"clip": 1}, "clip=1: the attribution has 1 clip, give one from 0 to 0"),
        ({"clip": -2}, "clip=-2: the attribution has 1 clip, give one from 0 to 0"),
        ({"area": 3}, "area=3: the attribution has 2 areas, give one from 0 to 1"),
    ],
)
def test_a_clip_or_area_that_is_not_there(place: dict[str, int], told: str) -> None:
    found = Attribution(torch.zeros(2, 1, 1, 4, 20, 30), TARGET, areas=(0.1, 0.2))
    with pytest.raises(ConfigError, match=told):
        overlay(clips(), found, **place)  # type: ignore[arg-type]


def test_an_attribution_of_other_clips() -> None:
    found = Attribution(torch.zeros(1, 2, 1, 4, 20, 30), torch.tensor([0, 0]), areas=(0.1,))
    with pytest.raises(ConfigError, match="an attribution of 2 clips for 1 clip: give the clips"):
        overlay(clips(), found)


def test_clips_made_from_tensors_have_pictures_too() -> None:
    made = Clips(torch.linspace(-2, 3, 3 * 4 * 20 * 30).reshape(1, 3, 4, 20, 30))
    figure = overlay(made, Attribution(torch.zeros(1, 1, 1, 4, 20, 30), TARGET, areas=(0.1,)))
    assert (figure.rows[0].min(), figure.rows[0].max()) == (0, 255)


def test_letters_that_the_font_lacks() -> None:
    assert drawable("Ärger, é, ñ, Ж") == "Ärger, é, ñ, Ж"
    assert drawable("a\nb \U0001f3ac") == r"a\nb \U0001f3ac"


def test_a_picture_says_what_explained_it() -> None:
    record = Record("a", 0.1, "down", "down", "up", 0.25, {"probability_kept": 0.5, "preserved": 0})
    attribution = Attribution(torch.zeros(1, 1, 1, 4, 20, 30), TARGET, areas=(0.1,))
    (_, save), _ = draw(clips(), attribution, 0, [record], "positive", "step, r3d")
    assert save.__self__.caption == (  # type: ignore[attr-defined]
        "CLASS NOT PRESERVED   a   step, r3d   p(down) = 0.25   area 0.1   through its mask 0.50"
    )
