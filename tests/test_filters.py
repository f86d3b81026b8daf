"""Pyramids, blur and masks at work: golden numbers and exact cases."""

import pytest
import torch

from tests.formulas import assert_stats, clip, functional, golden, smooth_mask
from videxplain.filters import (
    LEVELS,
    PYRAMIDS,
    gaussian_blur,
    largest,
    perturb,
    stretched,
    top_share,
)


@pytest.mark.parametrize("kind", ["112_blur", "112_fade"])
def test_golden_perturbation(kind: str) -> None:
    wanted = golden("math")["perturbation"][kind]
    size, name = kind.split("_")
    frames = clip(1, 2, int(size), int(size))
    pyramid = PYRAMIDS[name](frames)
    for level, expected in enumerate(wanted["levels"]):
        assert_stats(pyramid[0, level].transpose(0, 1), expected, atol=1e-5)
    mask = smooth_mask(2, int(size), int(size))[None, None].requires_grad_()
    applied = perturb(pyramid, mask)[0].transpose(0, 1)
    assert_stats(applied, wanted["applied"], atol=1e-5)
    assert applied[0, 0, 56].tolist() == pytest.approx(wanted["applied_row"], abs=1e-5)
    (gradient,) = torch.autograd.grad(functional(applied), mask)
    assert_stats(gradient, wanted["grad_mask"], atol=1e-5)
    nothing = perturb(pyramid, torch.zeros_like(mask))[0].transpose(0, 1)
    assert_stats(nothing, wanted["mask0"], atol=1e-5)
    assert torch.equal(perturb(pyramid, torch.ones_like(mask)), frames)


@pytest.mark.parametrize("sigma", ["0", "2.5", "20"])
def test_golden_impulse(sigma: str) -> None:
    impulse = torch.zeros(1, 1, 1, 1, 201)
    impulse[..., 100] = 1
    column = torch.zeros(1, 1, 1, 201, 201)
    column[..., 100, 100] = 1
    along_a_row = gaussian_blur(column, float(sigma))[0, 0, 0, 100, 100:120].tolist()
    assert along_a_row == pytest.approx(
        golden("math")["perturbation"]["imsmooth_impulse"][sigma], abs=1e-7
    )


def test_borders_fade_to_zero() -> None:
    blurred = gaussian_blur(torch.ones(1, 1, 1, 40, 40), 5.0)
    assert blurred[0, 0, 0, 20, 20] == pytest.approx(1, abs=1e-3)
    assert blurred[0, 0, 0, 0, 0] == pytest.approx(0.29, abs=0.03)


def test_each_area_and_clip_sees_its_own_mask() -> None:
    frames = clip(2, 3, 16, 16)
    pyramid = PYRAMIDS["fade"](frames)
    masks = torch.tensor([[0.0, 1.0], [0.5, 0.25]])[..., None, None, None].expand(2, 2, 3, 16, 16)
    shown = perturb(pyramid, masks).reshape(2, 2, *frames.shape[1:])
    for a in range(2):
        for b in range(2):
            torch.testing.assert_close(shown[a, b], masks[a, b] * frames[b])


def test_levels_reach_from_blurred_to_untouched() -> None:
    frames = clip(1, 2, 20, 24)
    pyramid = PYRAMIDS["blur"](frames)
    assert pyramid.shape[1] == LEVELS
    assert torch.equal(pyramid[:, -1], frames)
    torch.testing.assert_close(pyramid[:, 0], gaussian_blur(frames, 20))


def test_largest_shares_among_equals() -> None:
    values = torch.tensor([0.2, 0.9, 0.5, 0.5, 0.5, 0.1])
    assert largest(values, 1).tolist() == [0, 1, 0, 0, 0, 0]
    assert largest(values, 3).tolist() == pytest.approx([0, 1, 2 / 3, 2 / 3, 2 / 3, 0])
    assert largest(values, 6).tolist() == [1] * 6


def test_top_share_is_at_least_one() -> None:
    values = torch.tensor([[0.2, 0.9, 0.5, 0.5, 0.5, 0.1], [6.0, 5, 4, 3, 2, 1]])
    assert top_share(values, 0.001).tolist() == [[0, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]]
    assert torch.equal(top_share(values, 0.5), largest(values, 3))
    assert top_share(values, 1).tolist() == [[1] * 6] * 2


def test_stretched_maps_have_a_range_each() -> None:
    maps = torch.tensor([[1.0, 3, 2], [-4, -4, -4], [0, 0.5, 1]])[None, :, None, None]
    found = stretched(maps.expand(2, 3, 4, 1, 3))
    assert found[1, :, 2, 0].tolist() == [[0, 1, 0.5], [0, 0, 0], [0, 0.5, 1]]
