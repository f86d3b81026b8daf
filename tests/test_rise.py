"""RISE: its masks drawn another way, its sum by the plain loop, and what it must find."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.formulas import clip
from videxplain import api
from videxplain.baselines import make_baseline
from videxplain.errors import ConfigError
from videxplain.methods.rise import RISE
from videxplain.models.classifier import VideoClassifier
from videxplain.seeding import clip_generator
from videxplain.types import Clips

TARGET = torch.tensor([3, 1])


def test_a_mask_is_a_grid_enlarged_and_cut() -> None:
    """Cells of 4 x 8 x 9 voxels; each axis interpolated between the centres of cells."""
    method = RISE(grid=(2, 4, 3), kept=0.4, seed=5)
    clips = Clips(torch.zeros(1, 3, 7, 32, 26), None, ("name",))
    generator = clip_generator(5, "name/3")
    wanted = (torch.rand((2, 4, 3), generator=generator) < 0.4).double().numpy()
    cells = (4, 8, 9)
    shifts = [int(torch.randint(cell, (), generator=generator)) for cell in cells]
    for axis, (cell, shift, size) in enumerate(zip(cells, shifts, (7, 32, 26), strict=True)):
        count = wanted.shape[axis]
        old = (np.arange(count) + 0.5) / count
        new = (np.arange((count + 1) * cell) + 0.5) / ((count + 1) * cell)
        wanted = np.apply_along_axis(lambda line: np.interp(new, old, line), axis, wanted)  # noqa: B023
        wanted = wanted.take(range(shift, shift + size), axis)
    found = method._mask(clips, 0, 3)
    assert np.abs(found.numpy() - wanted).max() < 1e-6
    assert 0.1 < wanted.mean() < 0.9


def test_masks_keep_the_share_asked_for_everywhere() -> None:
    clips = Clips(torch.zeros(1, 3, 8, 16, 16))
    masks = torch.stack([RISE(kept=0.3)._mask(clips, 0, sample) for sample in range(2000)])
    assert masks.min() >= 0
    assert masks.max() < 1 + 1e-6
    assert (masks.mean(dim=0) - 0.3).abs().max() < 0.05
    assert (masks.var(dim=0) > 0.02).all(), "no voxel is always shown, nor always hidden"


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("baseline", ["black", "blur", "mean", "zero"])
def test_the_plain_loop(small: VideoClassifier, baseline: str, centred: bool) -> None:
    clips = Clips(clip(2, 6, 24, 28), None, ("first", "second"))
    start = make_baseline(baseline, small, clips.frames)  # type: ignore[arg-type]
    changes: dict[str, Any] = {"samples": 5, "kept": 0.7, "grid": (2, 3, 3), "baseline": baseline}
    method = RISE(centred=centred, **changes)
    found = api.explain(small, clips, method, TARGET)
    for index, target in enumerate(TARGET.tolist()):
        masks = torch.stack([method._mask(clips, index, sample) for sample in range(5)])
        seen = [mask * clips.frames[index] + (1 - mask) * start[index] for mask in masks]
        p = small(torch.stack(seen)).softmax(dim=1)[:, target]
        p = p - p.mean() if centred else p
        wanted = torch.einsum("i,ithw->thw", p, masks) / (5 * 0.7)
        scale = wanted.abs().max().item()
        torch.testing.assert_close(found.values[0, index, 0], wanted, atol=1e-5 * scale, rtol=0)
    assert found.signed == centred


class Sees(nn.Module):
    """The probability of class 0 is how bright one voxel is."""

    def forward(self, frames: Tensor) -> Tensor:
        bright = frames[:, 0, 2, 5, 11].clamp(1e-6, 1 - 1e-6)
        return torch.stack([bright.log(), (1 - bright).log()], dim=1)


def test_what_is_found_of_one_voxel() -> None:
    """E[(M(seen) - E[M]) M] / E[M]: nothing where masks know nothing of it, more the nearer."""
    classifier = VideoClassifier(Sees(), frames=8, size=(24, 24))
    clips = Clips(torch.ones(1, 3, 8, 24, 24))
    method = RISE(samples=2000, grid=(4, 6, 6), batch_size=100)
    found = api.explain(classifier, clips, method, 0).values[0, 0, 0]
    assert found[7, 23, 0].item() == pytest.approx(0, abs=0.02)
    assert found[2, 5, 11].item() == pytest.approx(found.max().item(), rel=0.05)
    assert found.max() > 0.1
    peak = [int(place) for place in np.unravel_index(int(found.argmax()), found.shape)]
    assert all(abs(at - seen) <= 2 for at, seen in zip(peak, (2, 5, 11), strict=True))


def test_each_mask_is_drawn_on_its_own() -> None:
    clips = Clips(torch.zeros(2, 3, 8, 16, 16), None, ("first", "second"))
    method = RISE()
    own = method._mask(clips, 0, 0)
    assert torch.equal(own, method._mask(clips, 0, 0))
    others = (method._mask(clips, 0, 1), method._mask(clips, 1, 0), RISE(seed=1)._mask(clips, 0, 0))
    assert not any(torch.equal(own, other) for other in others)


@pytest.mark.parametrize("kept", [0, 1, 1.5])
def test_a_share_that_keeps_nothing_or_all_is_refused(kept: float) -> None:
    with pytest.raises(ConfigError, match=r"method\.kept=.*(greater|less) than"):
        api.load_method("rise", kept=kept)
