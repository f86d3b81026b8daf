"""Area and core terms: the published table, golden numbers, and what they are zero for."""

import numpy as np
import pytest
import torch

from tests.formulas import assert_stats, golden, smooth_mask
from videxplain.methods.extremal.masks import MaskGrid, SmoothMaximum
from videxplain.methods.extremal.terms import Area, Core, Schedule

ONE = Schedule(1)
AREAS = (0.01, 0.02, 0.05, 0.10, 0.15, 0.20, 0.30, 0.50)
TABLE = {
    (112, 11, False): (249.76, 246.76, 237.77, 222.84, 207.97, 193.12, 163.64, 105.35),
    (224, 23, False): (278.44, 275.49, 266.65, 251.94, 237.25, 222.57, 193.23, 134.63),
    (112, 11, True): (249.75, 246.75, 237.77, 222.84, 207.96, 193.11, 163.64, 105.35),
}


@pytest.mark.parametrize("case", TABLE)
def test_published_table_of_the_first_iteration(case: tuple[int, int, bool]) -> None:
    size, sigma, per_frame = case
    grid = MaskGrid(size, size, 7, sigma)
    ones = torch.ones(1, 1, 16, *grid.cells, dtype=torch.float64)
    masks = SmoothMaximum(grid, ones)(ones)[0]
    for area, printed in zip(AREAS, TABLE[case], strict=True):
        weighted = 300 * Area(weight=ONE, per_frame=per_frame)(masks, area).item()
        assert weighted == pytest.approx(printed, abs=0.0051)
        plane = masks[0].flatten(1).numpy()
        sets = plane if per_frame else plane.reshape(1, -1)
        assert weighted == pytest.approx(300 * _by_sorting(sets, area), rel=1e-6)


def _by_sorting(sets: np.ndarray, area: float) -> float:
    count = sets.shape[1]
    wanted = np.zeros(count)
    wanted[int(count * (1 - area)) :] = 1
    return float(((np.sort(sets, axis=1) - wanted) ** 2).mean())


def test_a_wrong_count_of_ones_would_show() -> None:
    grid = MaskGrid(112, 112, 7, 11)
    ones = torch.ones(1, 1, 16, 16, 16, dtype=torch.float64)
    term = Area(weight=ONE)(SmoothMaximum(grid, ones)(ones)[0], 0.15)
    assert 300 * term.item() == pytest.approx(207.97413, rel=1e-6)  # one more or less: 5e-6


@pytest.mark.parametrize(
    ("name", "shape"), [("T16_134_a10", "ellipsoid"), ("T16_134_a10_cyl", "cylinder")]
)
def test_golden_core(name: str, shape: str) -> None:
    wanted = golden("math")["core_loss"][name]
    core = Core(weight=ONE, shape=shape)  # type: ignore[arg-type]
    assert core._body(7, 11).sum() == wanted["kernel_sum"]
    masks = smooth_mask(16, 134, 134)[None].requires_grad_()
    loss = core(masks, 0.1)
    assert loss.item() == pytest.approx(wanted["loss"], rel=1e-5)
    (gradient,) = torch.autograd.grad(loss.sum(), masks)
    largest = max(abs(wanted["grad"]["min"]), abs(wanted["grad"]["max"]))
    assert_stats(gradient, wanted["grad"], atol=1e-4 * largest)


def test_area_is_zero_at_the_wanted_area_only() -> None:
    masks = torch.zeros(1, 2, 4, 5)
    masks[:, 0, :2, :4] = 1  # 8 of 40 voxels, all in the first frame
    assert Area(weight=ONE)(masks, 0.2).item() == 0
    assert Area(weight=ONE)(masks, 0.3).item() > 0
    assert Area(weight=ONE, per_frame=True)(masks, 0.2).item() > 0


def test_core_prefers_one_body_to_dust() -> None:
    masks = torch.zeros(2, 7, 44, 44)
    masks[0, :, :11, :11] = 1
    scattered = torch.randperm(masks[1].numel(), generator=torch.Generator().manual_seed(0))
    masks[1].flatten()[scattered[: int(masks[0].sum())]] = 1
    solid, dust = Core(weight=ONE)(masks, 7 * 121 / masks[0].numel())
    assert solid < dust


@pytest.mark.parametrize("frames", [1, 2, 5, 6])
def test_core_takes_short_clips(frames: int) -> None:
    masks = torch.rand(1, frames, 30, 30, generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(Core(weight=ONE)(masks, 0.1)).all()


def test_schedules() -> None:
    doubling = Schedule(300, growth=1.0008668)
    assert doubling.at(0) == 300
    assert doubling.at(800) == pytest.approx(600, rel=1e-3)
    late = Schedule(300, first=101)
    assert [late.at(100), late.at(101)] == [0, 300]


@pytest.mark.parametrize("shape", ["ellipsoid", "cylinder"])
@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 16, 40])
def test_cores_of_any_length(length: int, shape: str) -> None:
    """A body is symmetric, touches its box, and solid masks stay better than dust."""
    core = Core(weight=ONE, length=length, shape=shape)  # type: ignore[arg-type]
    body = core._body(min(length, 16), 11)
    assert torch.equal(body, body.flip(0, 1, 2))
    assert body.any(dim=(1, 2)).all()
    if shape == "cylinder":
        assert torch.equal(body, body[:1].expand_as(body))
    masks = torch.zeros(2, 16, 44, 44)
    masks[0, :, :22, :22] = 1
    scattered = torch.randperm(masks[1].numel(), generator=torch.Generator().manual_seed(0))
    masks[1].flatten()[scattered[: int(masks[0].sum())]] = 1
    solid, dust = core(masks, 0.25)
    assert torch.isfinite(solid)
    assert solid < dust
