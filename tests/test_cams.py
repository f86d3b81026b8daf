"""Grad-CAM++: its weights as derivatives, taken one by one; Score-CAM by the plain loop."""

import pytest
import torch
from torch import Tensor, nn

from tests.formulas import SmallNet, clip
from videxplain import api
from videxplain.baselines import make_baseline
from videxplain.errors import ConfigError, LayerNotFoundError, UnsupportedPairError
from videxplain.methods.grad_cam_pp import GradCAMPlusPlus
from videxplain.methods.score_cam import ScoreCAM
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Choosy, Clips

TARGET = torch.tensor([3, 1])
CAMS = ["grad_cam", "grad_cam_pp", "score_cam"]


class Positions(nn.Module):
    """Two feature maps, and a head that weighs each position of them on its own."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv3d(3, 2, 1, bias=False)
        self.maps.weight.data = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])[..., None, None, None]
        weights = torch.randn(2, 2, 2, 2, 3, generator=torch.Generator().manual_seed(0))
        self.head = nn.Parameter(weights)

    def forward(self, frames: Tensor) -> Tensor:
        return self.classify(self.maps(frames))

    def classify(self, maps: Tensor) -> Tensor:
        return torch.einsum("bcthw,kcthw->bk", maps, self.head)


def derivative(values: Tensor, at: Tensor) -> Tensor:
    """Of each value with respect to its own element of ``at``, by one element after the other."""
    found = torch.zeros_like(at)
    for index in range(at.numel()):
        (slope,) = torch.autograd.grad(values.flatten()[index], at, create_graph=True)
        found.flatten()[index] = slope.flatten()[index]
    return found


def test_grad_cam_pp_by_derivatives() -> None:
    """Equations 10 and 19 of the paper, for Y = exp S, all three derivatives taken of it."""
    net = Positions().double()
    frames = torch.rand(1, 3, 2, 2, 3, dtype=torch.float64)
    maps = net.maps(frames).detach().requires_grad_()
    y = net.classify(maps)[0, 1].exp()
    (first,) = torch.autograd.grad(y, maps, create_graph=True)
    second = derivative(first, maps)
    third = derivative(second, maps)
    alpha = second / (2 * second + maps.sum((2, 3, 4), keepdim=True) * third)
    weights = (alpha * first.relu()).sum((2, 3, 4), keepdim=True)
    wanted = (weights * maps).sum(1, keepdim=True).relu() / y
    classifier = VideoClassifier(net, frames=2, size=(2, 3), cam_layer="maps").double()
    found = api.explain(classifier, Clips(frames), "grad_cam_pp", 1).values[0]
    assert found.max() > 0
    torch.testing.assert_close(found, wanted.detach())


def test_features_below_zero_make_no_pole() -> None:
    """A negative sum could bring the formula's denominator to zero."""
    net = Positions().double()
    net.head.data.abs_()
    classifier = VideoClassifier(net, frames=2, size=(2, 3), cam_layer="maps").double()
    frames = torch.full((1, 3, 2, 2, 3), -1.0, dtype=torch.float64)
    frames[0, 0, 0, 0, 0] = 3
    slopes = net.head[1]
    total = torch.tensor([3.0, 0.0], dtype=torch.float64)[:, None, None, None]
    weights = (slopes / (2 + total * slopes)).sum((1, 2, 3))
    wanted = (weights[:, None, None, None] * frames[0, :2]).sum(0).relu()
    found = api.explain(classifier, Clips(frames), "grad_cam_pp", 1).values[0, 0, 0]
    assert wanted.max() > 0
    torch.testing.assert_close(found, wanted)


def test_a_map_is_enlarged_linearly(small: VideoClassifier) -> None:
    clips = Clips(clip(1, 16, 112, 112))
    cam = GradCAMPlusPlus()._cam(small, clips.frames, torch.tensor([3]))
    assert cam.shape == (1, 1, 4, 14, 14)
    wanted = nn.functional.interpolate(cam, (16, 112, 112), mode="trilinear")
    found = api.explain(small, clips, "grad_cam_pp", 3).values[0]
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("baseline", ["black", "blur", "mean", "zero"])
def test_score_cam_is_the_plain_loop(small: VideoClassifier, baseline: str) -> None:
    clips, size = Clips(clip(2, 8, 32, 40)), (8, 32, 40)
    start = make_baseline(baseline, small, clips.frames)  # type: ignore[arg-type]
    features = small.net.layer3(small.net.stem(clips.frames))  # type: ignore[operator]
    maps = small.net.layer4(features)  # type: ignore[operator]
    found = api.explain(small, clips, "score_cam", TARGET, baseline=baseline).values[0, :, 0]
    for index, target in enumerate(TARGET.tolist()):
        increases = []
        for each in maps[index]:
            large = nn.functional.interpolate(each[None, None], size, mode="trilinear")[0, 0]
            mask = (large - large.min()) / (large.max() - large.min())
            seen = mask * clips.frames[index] + (1 - mask) * start[index]
            both = small(torch.stack([seen, start[index]]))[:, target]
            increases.append(both[0] - both[1])
        weights = torch.stack(increases).softmax(dim=0)
        cam = sum(weight * each for weight, each in zip(weights, maps[index], strict=True))
        wanted = nn.functional.interpolate(cam[None, None], size, mode="trilinear")[0, 0]
        torch.testing.assert_close(found[index], wanted, rtol=1e-4, atol=1e-6)


class Channels(nn.Module):
    """Feature maps of a known spread, one of them dead, one the same everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv3d(3, 5, 1)
        self.maps.weight.data = torch.zeros(5, 3, 1, 1, 1)
        self.maps.weight.data[:3, 0, 0, 0, 0] = torch.tensor([1.0, 3.0, 2.0])
        self.maps.bias.data = torch.tensor([9.0, 0.0, 0.0, 0.0, 7.0])  # type: ignore[union-attr]

    def forward(self, frames: Tensor) -> Tensor:
        maps: Tensor = self.maps(frames)
        return maps.mean((2, 3, 4))


def test_channels_that_vary_most_are_looked_at() -> None:
    classifier = VideoClassifier(Channels(), frames=4, size=(8, 8), cam_layer="maps")
    frames = torch.rand(2, 3, 4, 8, 8)
    for channels, wanted in {1: [3], 2: [3, 2], 3: [3, 2, 1]}.items():
        maps = ScoreCAM(channels=channels)._maps(classifier, Clips(frames))
        slopes = [(each.max() - each.min()) / (frames[0, 0].max() - frames[0, 0].min())
                  for each in maps[0]]  # fmt: skip
        assert torch.stack(slopes).tolist() == pytest.approx(wanted, rel=1e-5)
    assert ScoreCAM(channels=9)._maps(classifier, Clips(frames)).shape[1] == 5


def test_a_map_that_is_the_same_everywhere_hides_everything() -> None:
    """The network then answers as for the baseline: a weight that every dead channel has."""
    classifier = VideoClassifier(Channels(), frames=4, size=(8, 8), cam_layer="maps")
    frames = torch.rand(1, 3, 4, 8, 8)
    maps = classifier.net.maps(frames)[0]  # type: ignore[operator]
    logits = []
    for each in maps:
        spread = each.max() - each.min()
        mask = (each - each.min()) / spread if spread > 0 else torch.zeros_like(each)
        logits.append(classifier(mask * frames)[0, 1])
    weights = torch.stack(logits).softmax(dim=0)
    wanted = torch.einsum("k,kthw->thw", weights, maps).relu()
    found = api.explain(classifier, Clips(frames), "score_cam", 1).values[0, 0, 0]
    torch.testing.assert_close(found, wanted)
    assert weights[3] == weights[4] > 0


@pytest.mark.parametrize("name", CAMS)
def test_layers(small: VideoClassifier, name: str) -> None:
    clips = Clips(clip(1, 8, 32, 32))
    own = api.explain(small, clips, name, 3).values
    assert torch.equal(own, api.explain(small, clips, name, 3, layer="layer4").values)
    assert not torch.allclose(own, api.explain(small, clips, name, 3, layer="layer3").values)
    with pytest.raises(ConfigError, match=r"'fc' gives \(1, 10\), which is no feature map"):
        api.explain(small, clips, name, 3, layer="fc")
    method, bare = api.load_method(name), VideoClassifier(SmallNet())
    assert isinstance(method, Choosy)
    with pytest.raises(UnsupportedPairError, match=r"needs a layer .* whose top layers are stem"):
        method.check(bare)
    missing = api.load_method(name, layer="layer5")
    assert isinstance(missing, Choosy)
    with pytest.raises(LayerNotFoundError, match="'layer5'"):
        missing.check(small)
