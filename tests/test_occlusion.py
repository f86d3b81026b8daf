"""Occlusion: a linear network in closed form, the plain loop, and Captum's answer."""

import copy
import math
from typing import Any

import pytest
import torch
from captum import attr
from torch import Tensor, nn

from tests.formulas import clip
from videxplain import api
from videxplain.baselines import make_baseline
from videxplain.errors import ConfigError
from videxplain.methods.occlusion import Occlusion
from videxplain.models.classifier import VideoClassifier
from videxplain.scores import SCORES
from videxplain.types import Clips, Cost

TARGET = torch.tensor([3, 1])


def test_boxes_side_by_side_on_a_linear_network() -> None:
    """Each box loses what its own voxels give, whatever lies elsewhere."""
    torch.manual_seed(0)
    layer = nn.Linear(3 * 4 * 6 * 6, 5)
    classifier = VideoClassifier(nn.Sequential(nn.Flatten(), layer), frames=4, size=(6, 6))
    frames = torch.rand(2, 3, 4, 6, 6)
    shares = (layer.weight[3].reshape(3, 4, 6, 6) * frames).sum(dim=1)
    blocks = nn.functional.avg_pool3d(shares, (2, 3, 2), divisor_override=1)
    wanted = nn.functional.interpolate(blocks[:, None], (4, 6, 6))[:, 0]
    changes: dict[str, Any] = {"grid": [2, 2, 3], "strides": 1}
    found = api.explain(classifier, Clips(frames), "occlusion", 3, **changes).values[0, :, 0]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    assert (found < 0).any(), "what speaks against the class, too"


@pytest.mark.parametrize("baseline", ["black", "blur", "mean", "zero"])
@pytest.mark.parametrize("score", list(SCORES))
def test_the_plain_loop(small: VideoClassifier, baseline: str, score: str) -> None:
    clips = Clips(clip(2, 5, 20, 24))
    start = make_baseline(baseline, small, clips.frames)  # type: ignore[arg-type]
    total, counts = torch.zeros(2, 5, 20, 24), torch.zeros(5, 20, 24)

    def scores(frames: Tensor) -> Tensor:
        return SCORES[score](small(frames), TARGET)  # type: ignore[index]

    for t in (0, 2):  # boxes of 3 x 10 x 8, in strides of 2 x 5 x 4
        for h in (0, 5, 10):
            for w in (0, 4, 8, 12, 16):
                box = (slice(t, t + 3), slice(h, h + 10), slice(w, w + 8))
                covered = clips.frames.clone()
                covered[:, :, *box] = start[:, :, *box]
                total[:, *box] += (scores(clips.frames) - scores(covered))[:, None, None, None]
                counts[box] += 1
    found = api.explain(
        small, clips, "occlusion", TARGET, grid=[2, 2, 3], baseline=baseline, score=score
    )
    wanted = total / counts
    scale = wanted.abs().max().item()
    torch.testing.assert_close(found.values[0, :, 0], wanted, atol=1e-5 * scale, rtol=0)


@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("size", [(8, 24, 24), (7, 21, 26), (1, 9, 9)])
def test_captum(small: VideoClassifier, strides: int, size: tuple[int, int, int]) -> None:
    """In float64, on sizes that no window divides too."""
    precise, frames = copy.deepcopy(small).double(), clip(2, *size).double()
    grid = (2, 3, 2)
    window = tuple(math.ceil(side / cells) for side, cells in zip(size, grid, strict=True))
    moves = tuple(math.ceil(side / strides) for side in window)
    theirs = attr.Occlusion(precise.net).attribute(
        frames, (3, *window), (1, *moves), baselines=0, target=TARGET
    )
    ours = api.explain(precise, Clips(frames), Occlusion(grid=grid, strides=strides), TARGET)
    scale = theirs.abs().max().item()
    assert scale > 0
    wanted = theirs[:, :1].double()  # it answers in float32
    torch.testing.assert_close(ours.values[0], wanted, atol=1e-6 * scale, rtol=0)


@pytest.mark.parametrize("size", [(16, 64, 64), (5, 37, 41), (1, 2, 3)])
@pytest.mark.parametrize("grid", [(4, 8, 8), (1, 1, 1), (3, 5, 7), (4, 64, 2)])
@pytest.mark.parametrize("strides", [1, 2, 3, 100])
def test_boxes(size: tuple[int, ...], grid: tuple[int, int, int], strides: int) -> None:
    """They cover every voxel, none lies outside, and there are no more than the cost says."""
    method = Occlusion(grid=grid, strides=strides)
    if math.prod(size) * math.prod(grid) > 1e6:
        method = Occlusion(grid=(4, 8, 8), strides=min(strides, 2))
    boxes = method._boxes(*size)
    covered = torch.zeros(size)
    for box in boxes:
        assert covered[box].numel() > 0
        covered[box] += 1
    assert covered.min() >= 1
    assert len(boxes) < method.cost.forward


def test_the_cost_of_boxes_that_fit() -> None:
    assert Occlusion(grid=(4, 8, 8), strides=1).cost == Cost(1 + 4 * 8 * 8, 0)
    assert Occlusion(grid=(4, 8, 8), strides=2).cost == Cost(1 + 7 * 15 * 15, 0)
    assert len(Occlusion(grid=(4, 8, 8), strides=2)._boxes(16, 64, 64)) == 7 * 15 * 15


@pytest.mark.parametrize("grid", [[4, 8], [4, 8, 8, 8], [0, 8, 8], [4, 8, 257], 8])
def test_a_wrong_grid_is_told(grid: object) -> None:
    with pytest.raises(ConfigError, match=r"method\.grid.*(give|greater|less)"):
        api.load_method("occlusion", grid=grid)
