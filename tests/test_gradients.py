"""Gradient methods: closed forms, golden numbers, and Captum's answers."""

from typing import Any

import numpy as np
import pytest
import torch
from captum import attr
from torch import Tensor, nn

from tests import reference
from tests.formulas import SmallNet, assert_stats, clip, golden
from videxplain import api
from videxplain.errors import ConfigError, LayerNotFoundError, UnsupportedPairError
from videxplain.methods.grad_cam import GradCAM
from videxplain.methods.smooth_grad import SmoothGrad
from videxplain.models.classifier import VideoClassifier
from videxplain.scores import SCORES, ScoreName
from videxplain.types import Clips

TARGET = torch.tensor([3, 1])


def linear() -> tuple[VideoClassifier, Tensor]:
    """A linear network and the weights of class 3, as a clip."""
    torch.manual_seed(0)
    layer = nn.Linear(3 * 2 * 4 * 4, 5)
    net = nn.Sequential(nn.Flatten(), layer)
    return VideoClassifier(net, frames=2, size=(4, 4)), layer.weight[3].reshape(3, 2, 4, 4)


def baselines(classifier: VideoClassifier, frames: Tensor) -> dict[str, Tensor]:
    """Written on their own."""
    black = -(classifier.mean / classifier.std).reshape(1, 3, 1, 1, 1)
    blurred = torch.stack([reference.blur(each.double(), 20.0).float() for each in frames])
    means = torch.stack([torch.stack([colour.mean() for colour in each]) for each in frames])
    return {
        "black": black.expand_as(frames),
        "blur": blurred,
        "mean": means.reshape(len(frames), 3, 1, 1, 1).expand_as(frames),
        "zero": torch.zeros_like(frames),
    }


def test_a_linear_network_in_closed_form() -> None:
    classifier, weight = linear()
    clips = Clips(torch.rand(2, 3, 2, 4, 4))

    def values(method: str, **changes: Any) -> Tensor:  # noqa: ANN401
        return api.explain(classifier, clips, method, 3, **changes).values[0]

    torch.testing.assert_close(values("grad"), weight.expand(2, 3, 2, 4, 4))
    torch.testing.assert_close(values("grad_x_input"), weight * clips.frames)
    for baseline, start in baselines(classifier, clips.frames).items():
        for steps, rule in ((1, "midpoint"), (1, "left"), (7, "midpoint"), (25, "left")):
            found = values("integrated_grad", baseline=baseline, steps=steps, rule=rule)
            torch.testing.assert_close(found, weight * (clips.frames - start))
    torch.testing.assert_close(values("smooth_grad"), weight.expand(2, 3, 2, 4, 4))
    squares = weight.square().expand(2, 3, 2, 4, 4)
    torch.testing.assert_close(values("smooth_grad", statistic="square"), squares)
    assert values("smooth_grad", statistic="variance").abs().max() < 1e-12


@pytest.mark.parametrize("score", list(SCORES))
def test_the_score_explained(score: ScoreName) -> None:
    classifier, weight = linear()
    clips = Clips(torch.rand(1, 3, 2, 4, 4))
    logits = classifier(clips.frames)
    p = logits.softmax(dim=1)[0]
    others = classifier.net[1].weight.reshape(5, 3, 2, 4, 4)  # type: ignore[index]
    log_slope = weight - (p[:, None, None, None, None] * others).sum(dim=0)
    wanted = {"logit": weight, "probability": p[3] * log_slope, "log_probability": log_slope}
    slope = wanted[score]

    def values(method: str, **changes: Any) -> Tensor:  # noqa: ANN401
        return api.explain(classifier, clips, method, 3, score=score, **changes).values[0, 0]

    torch.testing.assert_close(values("grad"), slope)
    torch.testing.assert_close(values("grad_x_input"), clips.frames[0] * slope)
    torch.testing.assert_close(values("smooth_grad", samples=2, spread=0), slope)
    total = values("integrated_grad", steps=200, baseline="zero").sum()
    scores = [
        SCORES[score](classifier(x), torch.tensor([3])) for x in (clips.frames, 0 * clips.frames)
    ]
    torch.testing.assert_close(total, (scores[0] - scores[1])[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("score", list(SCORES))
def test_the_score_that_grad_cam_explains(small: VideoClassifier, score: ScoreName) -> None:
    clips = Clips(clip(1, 16, 112, 112))
    features = small.net.layer3(small.net.stem(clips.frames))  # type: ignore[operator]
    maps = small.net.layer4(features).detach().requires_grad_()  # type: ignore[operator]
    logits = small.net.fc(maps.mean((2, 3, 4)))  # type: ignore[operator]
    chosen = SCORES[score](logits, torch.tensor([3]))
    (slopes,) = torch.autograd.grad(chosen.sum(), maps)
    cam = (slopes.mean((2, 3, 4), keepdim=True) * maps.detach()).sum(1, keepdim=True).relu()
    wanted = torch.nn.functional.interpolate(cam, (16, 112, 112), mode="trilinear")
    found = api.explain(small, clips, "grad_cam", 3, score=score).values[0]
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(
    ("name", "method", "changes"),
    [
        ("raw_grad", "grad", {}),
        ("raw_grad_times_input", "grad_x_input", {}),
        ("raw_ig_left25", "integrated_grad", {"rule": "left"}),
    ],
)
@pytest.mark.parametrize("second", [False, True], ids=["alone", "with another"])
def test_golden(
    small: VideoClassifier, name: str, method: str, changes: dict[str, Any], second: bool
) -> None:
    wanted = golden("backprop")[name]
    clips = Clips(clip(2, 16, 112, 112)[: 1 + second])
    found = api.explain(small, clips, method, 3, **changes).values[:, :1]
    assert_stats(found, wanted, atol=1e-4 * max(abs(wanted["min"]), wanted["max"]))


def test_golden_completeness(small: VideoClassifier) -> None:
    wanted = golden("backprop")["ig_completeness"]
    found = api.explain(small, Clips(clip(1, 16, 112, 112)), "integrated_grad", 3)
    assert found.values.sum().item() == pytest.approx(wanted["midpoint25_sum"], rel=1e-4)
    assert found.values.sum().item() == pytest.approx(wanted["logit_difference"], rel=2e-3)


@pytest.mark.parametrize("average", ["space", "space_time"])
def test_golden_grad_cam(small: VideoClassifier, average: str) -> None:
    """The network's head averages over time, so both averages give the published map.

    It is compared in the layer's own size: the published code repeats time steps.
    """
    wanted = golden("backprop")["grad_cam_raw_sample0"]
    method = GradCAM(average=average)  # type: ignore[arg-type]
    cam = method._cam(small, clip(1, 16, 112, 112), torch.tensor([3]))
    repeated = cam.repeat_interleave(4, dim=2)
    assert_stats(repeated, wanted, atol=1e-5 * wanted["max"])
    assert (cam == 0).any()


def test_grad_cam_averages_over_what_it_says() -> None:
    """A head that weighs time steps, so that the two averages differ."""

    class Weighs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.maps = nn.Conv3d(3, 2, 1, bias=False)
            self.maps.weight.data = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])[..., None, None, None]

        def forward(self, frames: Tensor) -> Tensor:
            maps: Tensor = self.maps(frames)
            times = torch.arange(4.0)[:, None, None]
            first, second = (maps * times).mean(dim=(2, 3, 4)).unbind(dim=1)
            return torch.stack([first + second, first - 2 * second], dim=1)

    classifier = VideoClassifier(Weighs(), frames=4, size=(8, 8), cam_layer="maps")
    frames = torch.rand(1, 3, 4, 8, 8)
    a, b = frames[0, 0], frames[0, 1]
    times = torch.arange(4.0)[:, None, None] / frames[0, 0].numel()
    clips = Clips(frames.detach())
    per_step = api.explain(classifier, clips, "grad_cam", 1, average="space").values[0, 0, 0]
    torch.testing.assert_close(per_step, (times * (a - 2 * b)).relu())
    whole = api.explain(classifier, clips, "grad_cam", 1).values[0, 0, 0]
    torch.testing.assert_close(whole, (times.mean() * (a - 2 * b)).relu())


def test_grad_cam_is_enlarged_linearly(small: VideoClassifier) -> None:
    """Each axis on its own, between the centres of neighbouring cells; level beyond the last."""
    clips = Clips(clip(1, 16, 112, 112))
    grown = GradCAM()._cam(small, clips.frames, torch.tensor([3]))[0, 0].numpy()
    for axis, size in enumerate((16, 112, 112)):
        old = (np.arange(grown.shape[axis]) + 0.5) / grown.shape[axis]
        new = (np.arange(size) + 0.5) / size
        grown = np.apply_along_axis(lambda line: np.interp(new, old, line), axis, grown)  # noqa: B023
    found = api.explain(small, clips, "grad_cam", 3).values[0, 0, 0]
    assert np.abs(found.numpy() - grown).max() < 1e-5 * grown.max()


def test_layers_that_cannot_serve() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.twice = nn.Conv3d(3, 3, 1)
            self.unused = nn.Conv3d(3, 3, 1)
            self.aside = nn.Conv3d(3, 3, 1)
            self.pair = Pair()

        def forward(self, frames: Tensor) -> Tensor:
            self.aside(frames)
            features: Tensor = self.twice(self.twice(frames))
            logits: Tensor = self.pair(features)[0].mean((2, 3, 4))
            return logits

    class Pair(nn.Module):
        def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
            return features, features

    classifier = VideoClassifier(Odd(), frames=4, size=(8, 8))
    for layer, said in {
        "twice": "is used 2 times in a pass",
        "unused": "is used 0 times in a pass",
        "aside": "the score does not depend on layer 'aside'",
        "pair": "layer 'pair' gives a tuple",
    }.items():
        with pytest.raises(ConfigError, match=said):
            api.explain(classifier, Clips(clip(1, 4, 8, 8)), "grad_cam", 1, layer=layer)


def test_grad_cam_finds_its_layer(small: VideoClassifier) -> None:
    clips = Clips(clip(1, 16, 112, 112))
    own = api.explain(small, clips, "grad_cam", 3)
    named = api.explain(small, clips, "grad_cam", 3, layer="layer4")
    other = api.explain(small, clips, "grad_cam", 3, layer="layer3")
    assert torch.equal(own.values, named.values)
    assert not torch.allclose(own.values, other.values)
    with pytest.raises(LayerNotFoundError, match=r"'layer5'.*stem, layer3, layer4, fc"):
        api.explain(small, clips, "grad_cam", 3, layer="layer5")
    with pytest.raises(ConfigError, match=r"'fc' gives \(1, 10\), which is no feature map"):
        api.explain(small, clips, "grad_cam", 3, layer="fc")
    bare = VideoClassifier(SmallNet())
    with pytest.raises(UnsupportedPairError, match=r"give method\.layer=<name>"):
        api.explain(bare, clips, "grad_cam", 3)


def test_smooth_grad_is_the_plain_loop(small: VideoClassifier) -> None:
    """Against the definition, with the method's own noise."""
    clips = Clips(clip(2, 8, 32, 32), None, ("first", "second"))
    method = SmoothGrad(samples=5, seed=7)
    wanted: dict[str, list[Tensor]] = {"mean": [], "square": [], "variance": []}
    for index, target in enumerate(TARGET.tolist()):
        gradients = []
        for sample in range(5):
            leaf = method._noisy(clips, index, sample).requires_grad_()
            small(leaf[None])[0, target].backward()
            assert leaf.grad is not None
            gradients.append(leaf.grad)
        stacked = torch.stack(gradients)
        wanted["mean"].append(stacked.mean(dim=0))
        wanted["square"].append(stacked.square().mean(dim=0))
        wanted["variance"].append(stacked.var(dim=0, correction=0))
    for statistic, each in wanted.items():
        found = api.explain(
            small, clips, "smooth_grad", TARGET, samples=5, seed=7, statistic=statistic
        ).values[0]
        scale = torch.stack(each).abs().max().item()
        torch.testing.assert_close(found, torch.stack(each), atol=1e-5 * scale, rtol=0)


def test_noise_has_the_spread_that_is_asked_for() -> None:
    clips = Clips(torch.rand(1, 3, 8, 32, 32) * 10)
    noise = SmoothGrad(spread=0.2)._noisy(clips, 0, 0) - clips.frames[0]
    width = (clips.frames.max() - clips.frames.min()).item()
    assert noise.std().item() == pytest.approx(0.2 * width, rel=0.02)
    assert abs(noise.mean().item()) < 0.01 * width


class TestCaptum:
    """The same definitions in a well-known library."""

    @pytest.fixture
    def frames(self) -> Tensor:
        return clip(2, 8, 40, 44).requires_grad_()

    @pytest.fixture
    def net(self, small: VideoClassifier) -> nn.Module:
        return small.net

    def test_gradient(self, small: VideoClassifier, net: nn.Module, frames: Tensor) -> None:
        theirs = attr.Saliency(net).attribute(frames, TARGET, abs=False)
        ours = api.explain(small, Clips(frames.detach()), "grad", TARGET).values[0]
        torch.testing.assert_close(ours, theirs, atol=1e-7, rtol=1e-4)

    def test_gradient_times_input(
        self, small: VideoClassifier, net: nn.Module, frames: Tensor
    ) -> None:
        theirs = attr.InputXGradient(net).attribute(frames, TARGET)
        ours = api.explain(small, Clips(frames.detach()), "grad_x_input", TARGET).values[0]
        torch.testing.assert_close(ours, theirs, atol=1e-7, rtol=1e-4)

    @pytest.mark.parametrize("rule", ["midpoint", "left"])
    def test_integrated_gradients(
        self, small: VideoClassifier, net: nn.Module, frames: Tensor, rule: str
    ) -> None:
        method = {"midpoint": "riemann_middle", "left": "riemann_left"}[rule]
        black = small.black(frames.detach())
        theirs = attr.IntegratedGradients(net).attribute(
            frames, black, TARGET, n_steps=25, method=method
        )
        ours = api.explain(
            small, Clips(frames.detach()), "integrated_grad", TARGET, rule=rule
        ).values[0]
        scale = theirs.abs().max().item()
        torch.testing.assert_close(ours, theirs.float(), atol=1e-5 * scale, rtol=0)

    @pytest.mark.parametrize(
        ("statistic", "kind"),
        [("mean", "smoothgrad"), ("square", "smoothgrad_sq"), ("variance", "vargrad")],
    )
    def test_smooth_grad(
        self, small: VideoClassifier, net: nn.Module, frames: Tensor, statistic: str, kind: str
    ) -> None:
        """Noise drawn by each library on its own: the same statistic up to its spread."""
        torch.manual_seed(0)
        width = (frames[0].max() - frames[0].min()).item()
        theirs = attr.NoiseTunnel(attr.Saliency(net)).attribute(
            frames[:1].detach().requires_grad_(),
            nt_type=kind,
            nt_samples=400,
            nt_samples_batch_size=50,
            stdevs=0.15 * width,
            target=3,
            abs=False,
        )
        changes: dict[str, Any] = {"samples": 400, "statistic": statistic, "batch_size": 50}
        ours = api.explain(small, Clips(frames[:1].detach()), "smooth_grad", 3, **changes).values[0]
        both = torch.stack([ours.flatten(), theirs.flatten().float()])
        assert torch.corrcoef(both)[0, 1] > 0.97
        assert (ours.norm() / theirs.norm()).item() == pytest.approx(1, abs=0.05)

    def test_grad_cam(self, small: VideoClassifier, net: nn.Module, frames: Tensor) -> None:
        theirs = attr.LayerGradCam(net, net.layer4).attribute(
            frames, TARGET, relu_attributions=True
        )
        assert isinstance(theirs, Tensor)
        ours = GradCAM()._cam(small, frames.detach(), TARGET)
        torch.testing.assert_close(ours, theirs, atol=1e-8, rtol=1e-4)
