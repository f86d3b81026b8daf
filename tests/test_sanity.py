"""Checks that ask the method again, on methods whose answers are known."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

import videxplain as vx
from videxplain.filters import top_share
from videxplain.metrics.axioms import Completeness
from videxplain.metrics.sanity import (
    FrameFreeze,
    FrameReverse,
    FrameShuffle,
    LabelRandomisation,
    NoiseStability,
    SeedStability,
)
from videxplain.metrics.similarity import intersection_over_union, rank_correlation
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Attribution, Clips, Cost, Targets

T, H, W = 5, 6, 7


class Weighted(nn.Module):
    """Logits ``[s, -s / 2, 0]`` with s a weighted sum of all values."""

    def __init__(self) -> None:
        super().__init__()
        weights = torch.randn(3, T, H, W, generator=torch.Generator().manual_seed(0))
        self.weights = nn.Parameter(weights)

    def forward(self, frames: Tensor) -> Tensor:
        total = (frames * self.weights).sum(dim=(1, 2, 3, 4))
        return torch.stack([total, -total / 2, torch.zeros_like(total)], dim=1)


@pytest.fixture
def net() -> VideoClassifier:
    return VideoClassifier(Weighted(), frames=T, size=(H, W))


@pytest.fixture
def clips() -> Clips:
    generator = torch.Generator().manual_seed(1)
    return Clips(torch.rand(2, 3, T, H, W, generator=generator), torch.tensor([0, 1]))


@dataclass(frozen=True)
class Pictures:
    """Brightness of each pixel: it follows its picture, whatever the order."""

    by_place: bool = False
    by_class: bool = False
    noise: float = 0.0
    seed: int = 0

    signed: ClassVar[bool] = False
    complete: ClassVar[bool] = False
    deterministic: ClassVar[bool] = False
    citation: ClassVar[str] = "a test"

    @property
    def cost(self) -> Cost:
        return Cost(0, 0)

    def __call__(self, classifier: object, clips: Clips, target: Targets) -> Attribution:  # noqa: ARG002
        values = clips.frames.mean(dim=1, keepdim=True)
        if self.by_place:
            values = values + 10 * torch.arange(T)[:, None, None]
        if self.by_class:
            shift = target[:, None, None, None, None] * torch.linspace(0, 8, W)
            values = (values + shift) % 3
        drawn = torch.rand(values.shape, generator=torch.Generator().manual_seed(self.seed))
        return Attribution((values + self.noise * drawn)[None], target, signed=False)


def first(method: Pictures, net: VideoClassifier, clips: Clips) -> Attribution:
    assert clips.labels is not None
    return method(net, clips, clips.labels)


def test_spearman_is_scipys_with_equal_values() -> None:
    generator = torch.Generator().manual_seed(2)
    one, other = torch.randint(0, 6, (2, 3, 40), generator=generator).float()
    wanted = [spearmanr(a, b).statistic for a, b in zip(one.numpy(), other.numpy(), strict=True)]
    assert rank_correlation(one, other).tolist() == pytest.approx(wanted, abs=1e-6)
    assert rank_correlation(one, -2 * one**3).tolist() == pytest.approx([-1] * 3)
    assert rank_correlation(one, torch.ones_like(one)).isnan().all()


def overlap(one: Tensor, other: Tensor, share: float) -> Tensor:
    return intersection_over_union(top_share(one, share), top_share(other, share))


def test_overlap_by_hand() -> None:
    one, other = torch.tensor([4.0, 3, 2, 1]), torch.tensor([1.0, 4, 3, 2])
    assert overlap(one, other, 0.5).item() == pytest.approx(1 / 3)
    assert overlap(one, one, 0.5).item() == 1
    assert overlap(one, -one, 0.5).item() == 0
    assert overlap(torch.ones(4), torch.ones(4), 0.5).item() == 1


@pytest.mark.parametrize("check", [FrameShuffle(), FrameReverse()])
def test_frames_in_another_order(
    check: FrameShuffle | FrameReverse, net: VideoClassifier, clips: Clips
) -> None:
    by_picture, by_place = Pictures(), Pictures(by_place=True)
    found = check(net, by_picture, clips, first(by_picture, net, clips))
    torch.testing.assert_close(found, torch.ones(1, 2))
    found = check(net, by_place, clips, first(by_place, net, clips))
    assert (found < 0.7).all()


def test_reversed_places_are_exactly_opposite(net: VideoClassifier, clips: Clips) -> None:
    """A map of the place alone is upside down when its pictures are followed."""
    place = Pictures(by_place=True)
    still = Clips(torch.zeros_like(clips.frames), clips.labels)
    found = FrameReverse()(net, place, still, first(place, net, still))
    torch.testing.assert_close(found, -torch.ones(1, 2))


def test_a_frozen_clip_shows_its_middle_picture(net: VideoClassifier, clips: Clips) -> None:
    seen: list[Tensor] = []

    class Watching(Pictures):
        def __call__(self, classifier: object, clips: Clips, target: Targets) -> Attribution:
            seen.append(clips.frames)
            return super().__call__(classifier, clips, target)

    watching = Watching()
    found = FrameFreeze()(net, watching, clips, first(watching, net, clips))
    torch.testing.assert_close(seen[-1], clips.frames[:, :, 2:3].expand_as(clips.frames))
    torch.testing.assert_close(found, torch.ones(1, 2))


def test_another_class(net: VideoClassifier, clips: Clips) -> None:
    same, other = Pictures(), Pictures(by_class=True)
    check = LabelRandomisation()
    assert check(net, same, clips, first(same, net, clips)).tolist() == [pytest.approx([1, 1])]
    assert (check(net, other, clips, first(other, net, clips)).abs() < 0.9).all()


def test_another_seed(net: VideoClassifier, clips: Clips) -> None:
    check = SeedStability()
    for noise, least, most in ((0.0, 0.9999, 1.0001), (0.1, 0.5, 0.999), (100.0, -0.3, 0.3)):
        method = Pictures(noise=noise)
        found = check(net, method, clips, first(method, net, clips))
        assert ((found > least) & (found < most)).all(), noise
    gradient = vx.load_method("grad")
    assert clips.labels is not None
    shown = gradient(net, clips, clips.labels)
    assert check(net, gradient, clips, shown).tolist() == [[1, 1]]


def test_a_little_noise(net: VideoClassifier, clips: Clips) -> None:
    method = Pictures()
    little, much = (
        NoiseStability(spread=spread)(net, method, clips, first(method, net, clips))
        for spread in (0.01, 3.0)
    )
    assert (little > 0.99).all()
    assert (much < 0.5).all()


def test_completeness_by_hand(net: VideoClassifier, clips: Clips) -> None:
    """On a linear network, gradient times the way from the baseline is complete."""
    assert clips.labels is not None
    factor = torch.tensor([1, -0.5])[:, None, None, None, None]
    exact = (clips.frames - net.black(clips.frames)) * net.net.weights * factor  # type: ignore[operator]
    values = torch.stack([exact, 0.75 * exact])
    found = Completeness()(net, clips, Attribution(values, clips.labels))
    assert found[0].tolist() == pytest.approx([0, 0], abs=1e-4)
    assert found[1].tolist() == pytest.approx([0.25, 0.25], rel=1e-3)
    masks = Attribution(values[:, :, :1], clips.labels, (0.1, 0.2))
    assert Completeness()(net, clips, masks).isnan().all()
    black = Clips(net.black(clips.frames).contiguous(), clips.labels)
    assert Completeness()(net, black, Attribution(values, clips.labels)).isnan().all(), "no rise"
