"""A network that was really trained, on real video: does the mask hold the evidence?"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

import videxplain as vx
from tests.networks import LRCN_CLASSES, load_lrcn
from videxplain.filters import blur_pyramid, largest, perturb
from videxplain.models.classifier import VideoClassifier
from videxplain.scores import probability
from videxplain.types import Clips

AREA = 0.1


@pytest.fixture
def lrcn(shared: Path, monkeypatch: pytest.MonkeyPatch) -> VideoClassifier:
    """As ``model=custom`` builds it from the command line of the README."""
    monkeypatch.syspath_prepend(shared / "nets")
    return load_lrcn(shared / "nets")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "label", "kept_at_least"), [("swing", "Swing", 0.9), ("tai_chi", "TaiChi", 0.7)]
)
def test_the_mask_holds_the_evidence(
    lrcn: VideoClassifier, shared: Path, name: str, label: str, kept_at_least: float
) -> None:
    clips = lrcn.preprocess(vx.read_video(shared / "data" / "videos" / f"{name}.mp4"))
    target = torch.tensor([LRCN_CLASSES.index(label)])
    assert probability(lrcn(clips.frames), target).item() > 0.9
    found = vx.explain(lrcn, clips, "3d_ep", label, perturb_area=AREA, num_iter=200)
    mask = binarised(found.values[0, 0, 0])
    kept = seen_through(lrcn, clips, mask, target)
    moved = [seen_through(lrcn, clips, each, target) for each in moved_elsewhere(mask)]
    assert kept >= kept_at_least
    assert sum(moved) / len(moved) <= 0.3


def binarised(mask: Tensor) -> Tensor:
    """Ones at the most salient tenth of the voxels."""
    return largest(mask.flatten(), round(AREA * mask.numel())).reshape_as(mask).round()


def moved_elsewhere(mask: Tensor) -> Iterator[Tensor]:
    """Eight cyclic shifts over time, rows and columns that leave less than a tenth in place."""
    generator = torch.Generator().manual_seed(0)
    found = 0
    while found < 8:
        shifts = [int(torch.randint(size, (1,), generator=generator)) for size in mask.shape]
        moved = mask.roll(shifts, dims=(0, 1, 2))
        if (moved * mask).sum() / mask.sum() < 0.1:
            found += 1
            yield moved


@torch.no_grad()
def seen_through(lrcn: VideoClassifier, clips: Clips, mask: Tensor, target: Tensor) -> float:
    shown = perturb(blur_pyramid(clips.frames), mask[None, None])
    return probability(lrcn(shown), target).item()
