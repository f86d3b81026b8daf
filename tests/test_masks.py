"""The smooth maximum: golden numbers, its plain formula, and frame sizes that no step divides."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.formulas import assert_stats, coarse_mask, functional, golden
from videxplain.methods.extremal.masks import MaskGrid, SmoothMaximum, default_sigma, default_step

SIZES = {112: 11, 224: 23}


def plain_smooth_maximum(grid: MaskGrid, cells: Tensor) -> Tensor:
    """Pixel by pixel from the definition, for ``rows columns`` cells in float64."""
    plane = torch.zeros(grid.plane, dtype=torch.float64)
    reach = range(2 * grid.radius + 1)
    for u in range(grid.plane[0]):
        for v in range(grid.plane[1]):
            weights, values = [], []
            for row in (u // grid.step - grid.padding + k for k in reach):
                for column in (v // grid.step - grid.padding + k for k in reach):
                    inside = 0 <= row < grid.cells[0] and 0 <= column < grid.cells[1]
                    p = cells[row, column].item() if inside else 0.0
                    dy = u - (grid.margin + grid.step * row)
                    dx = v - (grid.margin + grid.step * column)
                    z = np.hypot(dy, dx) / grid.sigma
                    k = np.exp(-2 * max(z - 0.5, 0) ** 2)
                    weights.append(np.exp(20 * k * p))
                    values.append(k * p)
            plane[u, v] = np.dot(weights, values) / np.sum(weights)
    return plane.clamp(0, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", SIZES)
def test_golden_masks(size: int, dtype: torch.dtype) -> None:
    wanted = golden("math")["mask_generator"][str(size)]
    grid = MaskGrid(size, size, 7, SIZES[size])
    assert [grid.margin, grid.padding, grid.radius] == [
        wanted[key] for key in ("margin", "padding", "radius")
    ]
    assert [list(grid.cells), list(grid.windows), list(grid.plane)] == [
        wanted[key] for key in ("shape_in", "shape_mid", "shape_out")
    ]
    cells = coarse_mask(2, *grid.cells)[None, None].to(dtype).requires_grad_()
    padded = SmoothMaximum(grid, cells)(cells)
    assert_stats(padded, wanted["padded"], atol=1e-5)
    assert_stats(grid.crop(padded), wanted["cropped"], atol=1e-5)
    row = grid.crop(padded)[0, 0, 0, size // 2].tolist()
    assert row == pytest.approx(wanted["cropped_row"], abs=1e-5)
    for name, loss in {
        "grad_of_sum_cropped_coef": functional(grid.crop(padded)),
        "grad_of_mean_padded_squared": padded.square().mean(),
    }.items():
        (gradient,) = torch.autograd.grad(loss, cells, retain_graph=True)
        largest = max(abs(wanted[name]["min"]), abs(wanted[name]["max"]))
        assert_stats(gradient, wanted[name], atol=2e-4 * largest)


@pytest.mark.parametrize("size", SIZES)
def test_ones_and_a_single_cell(size: int) -> None:
    wanted = golden("math")["mask_generator"][str(size)]
    grid = MaskGrid(size, size, 7, SIZES[size])
    ones = torch.ones(1, 1, 1, *grid.cells)
    upsample = SmoothMaximum(grid, ones)
    assert_stats(upsample(ones), wanted["ones_padded"], atol=1e-5)
    assert_stats(grid.crop(upsample(ones)), wanted["ones_cropped"], atol=1e-5)
    row, cell = wanted["one_hot"]["at"]
    single = torch.zeros_like(ones)
    single[..., row, cell] = 1
    crop = grid.crop(upsample(single))
    assert_stats(crop, wanted["one_hot"]["cropped"], atol=1e-5)
    first = grid.step * row - 30  # the golden column starts 30 rows above the cell
    column = wanted["one_hot"]["argmax"] % size
    seen = crop[0, 0, 0, first : first + 60, column].tolist()
    assert seen == pytest.approx(wanted["one_hot"]["column"], abs=1e-5)


@pytest.mark.parametrize(
    ("height", "width", "step"), [(40, 33, 7), (23, 37, 7), (17, 8, 5), (9, 9, 11)]
)
def test_agrees_with_the_plain_formula(height: int, width: int, step: int) -> None:
    grid = MaskGrid(height, width, step, default_sigma(height, width))
    generator = torch.Generator().manual_seed(0)
    cells = torch.rand(grid.cells, generator=generator, dtype=torch.float64)
    cells[cells < 0.3] = 0
    padded = SmoothMaximum(grid, cells)(cells[None, None, None])
    torch.testing.assert_close(
        padded[0, 0, 0], plain_smooth_maximum(grid, cells), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("size", [8, 50, 64, 100, 112, 113, 160, 182, 224, 256, 312])
def test_every_size_fits_its_plane(size: int) -> None:
    sigma = default_sigma(size, size + 3)
    grid = MaskGrid(size, size + 3, default_step(sigma), sigma)
    ones = torch.ones(1, 1, 1, *grid.cells)
    visible = grid.crop(SmoothMaximum(grid, ones)(ones))
    assert visible.shape[-2:] == (size, size + 3)
    assert visible.min() > 0.5


def test_sigma_follows_the_published_sizes() -> None:
    assert [default_sigma(s, s) for s in (112, 224, 64, 8)] == [11, 23, 6, 2]
    assert default_sigma(112, 200) == 11
    assert [default_step(sigma) for sigma in (23, 11, 6, 4, 2)] == [7, 7, 7, 4, 2]
