"""What every method of conf/method must keep, on both small networks and a large kind."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.formulas import Tally, clip
from tests.transformers import SmallTransformer, small_net, suits
from videxplain import api, catalog
from videxplain.baselines import make_baseline
from videxplain.data.shapes import shapes
from videxplain.errors import ConfigError
from videxplain.models.classifier import VideoClassifier
from videxplain.scores import SCORES
from videxplain.types import Attribution, Clips, Cost, Explainer

METHODS = catalog.names("method")
FEW: dict[str, Any] = {
    "num_iter": 3,
    "steps": 4,
    "samples": 4,
    "grid": [2, 2, 2],
    "strides": 1,
    "channels": 4,
}
"""Enough to see that a method runs, and more than one chunk."""


def few(name: str, **more: Any) -> Explainer:  # noqa: ANN401
    keys = {*catalog.section("method", name), "perturb"}
    return api.load_method(name, **{k: v for k, v in {**FEW, **more}.items() if k in keys})


@pytest.fixture(scope="module", params=["tiny_tsm", "tiny_r2plus1d", "mc3"])
def classifier(request: pytest.FixtureRequest) -> VideoClassifier:
    if request.param != "mc3":
        return api.load_model(request.param, device="cpu")
    net = api.load_model("mc3", weights="random", device="cpu").net
    return VideoClassifier(net, frames=4, size=(32, 32), cam_layer="layer4")


@pytest.fixture(scope="module")
def clips(classifier: VideoClassifier) -> Clips:
    """With a label each, whatever the network's classes are."""
    found = classifier.preprocess(shapes(num_clips=2))
    labels = [found.label(index) for index in range(2)]
    own = torch.tensor([index if label is None else label for index, label in enumerate(labels)])
    return Clips(found.frames, own, found.names)


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> Explainer:
    return few(request.param)


def suited(classifier: VideoClassifier, method: Explainer) -> VideoClassifier:
    """The network, or a transformer for a method that asks for one."""
    if suits(method, classifier):
        return classifier
    return VideoClassifier(SmallTransformer(len(classifier.class_names)), cam_layer="layer4")


def test_contract(classifier: VideoClassifier, clips: Clips, method: Explainer) -> None:
    classifier, frames = suited(classifier, method), clips.frames.clone()
    state = {name: value.clone() for name, value in classifier.state_dict().items()}
    first = api.explain(classifier, clips, method)
    torch.manual_seed(1)  # chance, where there is any, comes from the method's own seed
    second = api.explain(classifier, clips, method)

    assert isinstance(method, Explainer)
    areas, batch, channels, *size = first.values.shape
    assert [batch, *size] == [2, *clips.frames.shape[2:]]
    assert areas == (1 if first.areas is None else len(first.areas))
    assert channels in (1, 3)
    assert torch.isfinite(first.values).all()
    assert method.signed or bool((first.values >= 0).all())
    assert torch.equal(first.target, clips.labels)  # type: ignore[arg-type]
    assert all(curve.shape == (areas, 2, FEW["num_iter"]) for curve in first.curves.values())

    assert torch.equal(first.values, second.values), "not deterministic under its seed"
    assert torch.equal(clips.frames, frames), "changed its input"
    assert clips.frames.grad is None
    assert not clips.frames.requires_grad
    assert all(torch.equal(value, state[name]) for name, value in classifier.state_dict().items())
    assert left_behind(classifier) == []


def left_behind(classifier: VideoClassifier) -> list[str]:
    """What a method must not leave on a network."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    found = ["gradients"] if any(p.requires_grad for p in classifier.parameters()) else []
    for module in classifier.modules():
        found += [name for name in hooks if getattr(module, name)]
        found += ["training"] if module.training else []
    return found


class Stumbles(nn.Module):
    """Fails in its second pass, behind the layer that Grad-CAM looks at."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.passes = 0

    def forward(self, frames: Tensor) -> Tensor:
        logits: Tensor = self.net(frames)
        self.passes += 1
        if self.passes > 1:
            message = "stumbled"
            raise RuntimeError(message)
        return logits


@pytest.mark.parametrize("name", METHODS)
def test_an_exception_leaves_nothing_behind(name: str) -> None:
    classifier = VideoClassifier(Stumbles(small_net(name)), cam_layer="net.layer4")
    clips = Clips(clip(2, 8, 32, 32))
    if few(name).cost.forward:
        with pytest.raises(RuntimeError, match="stumbled"):
            api.explain(classifier, clips, few(name, batch_size=1))
    assert left_behind(classifier) == []
    assert clips.frames.grad is None


def test_second_clip_is_its_own(
    classifier: VideoClassifier, clips: Clips, method: Explainer
) -> None:
    """In float64: rounding, which a batch changes, would show where a gradient is near zero."""
    precise, frames = copy.deepcopy(classifier).double(), clips.frames.double()
    check_alone(precise, Clips(frames, clips.labels, clips.names), method, 1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_second_clip_is_its_own_in_float32(
    classifier: VideoClassifier, clips: Clips, name: str
) -> None:
    """Masks by the paper's recipe, whose steps are as small as the gradients are.

    With the reward of 2D-EP and 3D-EP for STEP too: under its own, masks are still flat after three
    steps, and rounding decides which of their nearly equal values rank among the highest.
    """
    check_alone(classifier, clips, few(name, perturb="paper", reward_weight=100), 1e-4)


def check_alone(
    classifier: VideoClassifier, clips: Clips, method: Explainer, tolerance: float
) -> None:
    classifier = suited(classifier, method).to(clips.frames)
    both = api.explain(classifier, clips, method)
    second = Clips(clips.frames[1:], clips.labels[1:], clips.names[1:])  # type: ignore[index]
    alone = api.explain(classifier, second, method)
    scale = both.values.abs().max().item()
    torch.testing.assert_close(both.values[:, 1:], alone.values, atol=tolerance * scale, rtol=0)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("batch_size", [1, 3, 100])
@pytest.mark.parametrize("variant", ["preserve", "dual"])
def test_chunks_change_nothing(name: str, batch_size: int, variant: str) -> None:
    """In float64, so that what differs is the cutting; each clip has a class of its own."""
    classifier = VideoClassifier(small_net(name), cam_layer="layer4").double()
    clips, target = Clips(clip(3, 8, 30, 34).double()), [1, 4, 7]
    more = {"perturb_area": [0.1, 0.3], "variant": variant}
    methods = [few(name, batch_size=size, **more) for size in (2, batch_size)]
    wanted, found = (api.explain(classifier, clips, each, target).values for each in methods)
    scale = wanted.abs().max().item()
    torch.testing.assert_close(found, wanted, atol=1e-7 * scale, rtol=0)


class Counts(nn.Module):
    """How many clips went through a network, and how many gradients came back."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.tally = Tally()

    def forward(self, frames: Tensor) -> Tensor:
        logits: Tensor = self.net(frames)
        self.tally["forwards"] += len(frames)
        self.tally["largest"] = max(self.tally["largest"], len(frames))
        if logits.requires_grad:
            logits.register_hook(self._came_back)  # type: ignore[no-untyped-call]
        return logits

    def _came_back(self, gradient: Tensor) -> None:
        self.tally["backwards"] += len(gradient)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("variant", ["preserve", "dual"])
def test_declared_costs_are_the_measured_ones(name: str, variant: str) -> None:
    counts = Counts(small_net(name))
    names = [str(index) for index in range(10)]
    classifier = VideoClassifier(counts, cam_layer="net.layer4", class_names=names)
    clips, target = Clips(clip(3, 8, 32, 32)), torch.tensor([1, 2, 3])
    classifier.accelerated(clips.frames)  # its preparation is not the method's
    tally = counts.tally
    tally.clear()
    method = few(name, perturb_area=[0.1, 0.3], variant=variant, batch_size=2)
    method(classifier, clips, target)
    forwards, backwards = tally["forwards"], tally["backwards"]
    assert Cost(forwards // 3, backwards // 3) == method.cost
    assert (forwards % 3, backwards % 3) == (0, 0)
    assert tally["largest"] <= 2
    tally.clear()
    few(name, variant=variant, batch_size=1)(classifier, clips, target)
    assert tally["largest"] <= 1


@pytest.mark.parametrize("name", METHODS)
def test_chance_is_declared(name: str, small: VideoClassifier) -> None:
    seeded = "seed" in catalog.section("method", name)
    assert few(name).deterministic != seeded
    if seeded:
        clips = Clips(clip(1, 4, 32, 32))
        values = [api.explain(small, clips, few(name, seed=seed), 1).values for seed in (0, 1)]
        assert not torch.equal(*values)


@pytest.mark.parametrize("name", METHODS)
def test_values_add_up_where_declared(name: str, classifier: VideoClassifier, clips: Clips) -> None:
    method = few(name, steps=100)
    if not method.complete:
        return
    attribution = api.explain(classifier, clips, method, "predicted")
    nothing = make_baseline("black", classifier, clips.frames)
    with torch.no_grad():
        whole, empty = (
            SCORES["logit"](classifier(frames), attribution.target)
            for frames in (clips.frames, nothing)
        )
    total = attribution.values.sum(dim=(0, 2, 3, 4, 5))
    torch.testing.assert_close(total, whole - empty, rtol=0.01, atol=0)


class Certain(nn.Module):
    """Class 0 has probability 1 and the others 0, to the last bit."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, frames: Tensor) -> Tensor:
        logits: Tensor = self.net(frames)
        return logits + 1000 * torch.nn.functional.one_hot(torch.tensor(0), logits.shape[1])


CLIPS = {
    "a constant clip": torch.full((1, 3, 8, 32, 32), 0.5),
    "a black clip": torch.zeros(1, 3, 8, 32, 32),
    "one frame": clip(1, 1, 32, 32),
    "two frames": clip(1, 2, 32, 32),
    "sides that no step divides": clip(1, 8, 37, 41),
    "a flat clip": clip(1, 8, 8, 50),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", CLIPS)
@pytest.mark.parametrize("target", [0, 1], ids=["p=1", "p=0"])
@pytest.mark.parametrize("score", list(SCORES))
def test_no_nan(name: str, kind: str, target: int, score: str) -> None:
    method = few(name, score=score)
    if score != "logit" and "score" not in catalog.section("method", name):
        return
    classifier = VideoClassifier(Certain(small_net(name)), cam_layer="net.layer4")
    found = api.explain(classifier, Clips(CLIPS[kind]), method, target)
    assert found.values.shape[3:] == CLIPS[kind].shape[2:]
    assert torch.isfinite(found.values).all()
    assert all(torch.isfinite(curve).all() for curve in found.curves.values())


@pytest.mark.parametrize("name", METHODS)
def test_an_unknown_key_names_the_nearest(name: str) -> None:
    with pytest.raises(ConfigError, match="unknown key of method"):
        api.load_method(name, num_itr=3)


@pytest.mark.parametrize("name", METHODS)
def test_what_has_no_sign_has_no_polarity(name: str, small: VideoClassifier) -> None:
    clips = Clips(clip(1, 8, 32, 32))
    changes = {"combine": "sum"} if "combine" in catalog.section("method", name) else {}
    for method in (few(name), few(name, **changes), few(name, statistic="square")):
        found = api.explain(suited(small, method), clips, method, 1)
        same = torch.equal(found.saliency("positive"), found.saliency("negative"))
        assert same == (not found.signed or found.areas is not None)
        assert found.signed <= method.signed or found.areas is not None
        assert found.saliency("both").max() > 0


@pytest.mark.parametrize("polarity", ["positive", "negative", "both"])
def test_saliency_clamps_before_it_averages(polarity: str) -> None:
    values = torch.tensor([1.0, -2.0, 3.0]).reshape(1, 1, 3, 1, 1, 1)
    attribution = Attribution(values, torch.tensor([0]))
    wanted = {"positive": 4 / 3, "negative": 2 / 3, "both": 2.0}[polarity]
    assert attribution.saliency(polarity).item() == pytest.approx(wanted)  # type: ignore[arg-type]
    assert attribution.values.flatten().tolist() == [1, -2, 3]
