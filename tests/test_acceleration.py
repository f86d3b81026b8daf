"""The quicker copy of a network against the network, and its parts against PyTorch's own."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

import videxplain as vx
from videxplain.models import kernels
from videxplain.models.acceleration import Accelerated
from videxplain.models.classifier import VideoClassifier
from videxplain.models.convolution import (
    BatchNorm,
    Convolution,
    FrozenConvolution,
    can_fold,
    can_freeze,
)
from videxplain.models.kernels import LAYOUTS
from videxplain.words import Precision

FLOAT32 = 1e-5
"""Share of the largest value; rounding of a sum of a few hundred products."""
FLOAT64 = 1e-12


def random(*size: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*size, generator=generator, dtype=dtype)


def differ(found: Tensor, expected: Tensor) -> float:
    """Largest difference as a share of the largest value."""
    assert found.shape == expected.shape
    found, expected = found.detach().double(), expected.detach().double()
    return ((found - expected).abs().max() / expected.abs().max()).item()


def expected(layer: nn.Module, features: Tensor, slopes: Tensor | None) -> tuple[Tensor, Tensor]:
    """Output and gradient of PyTorch's own layer in float64."""
    layer, features = copy.deepcopy(layer).double(), features.double().requires_grad_()
    output = layer(features)
    weights = random(*output.shape) if slopes is None else slopes.double()
    return output.detach(), torch.autograd.grad(output, features, weights)[0]


torch.manual_seed(0)  # for the layers' own weights
LAYERS: list[Convolution] = [
    nn.Conv3d(3, 20, (3, 7, 7), (1, 2, 2), (1, 3, 3)),
    nn.Conv3d(3, 20, 7, 2, 3, bias=False),
    nn.Conv3d(3, 8, (2, 5, 3), (3, 2, 1)),
    nn.Conv3d(3, 8, 3, dilation=2),
    nn.Conv3d(20, 24, (3, 1, 1), (2, 1, 1), (1, 0, 0)),
    nn.Conv3d(20, 24, 1, 2),
    nn.Conv3d(64, 72, (1, 3, 3), padding=(0, 1, 1)),
    nn.Conv3d(64, 64, 3, padding=1),
    nn.Conv3d(16, 24, 3, groups=4, padding=1),
    nn.Conv3d(16, 24, 3, dilation=(1, 2, 2), padding=2),
    nn.Conv2d(3, 20, 7, 2, 3),
    nn.Conv2d(3, 20, (3, 4), (2, 3), (0, 1)),
    nn.Conv2d(64, 64, 3, padding=1),
    nn.Conv2d(128, 130, 3, padding=1),
    nn.Conv2d(32, 32, 3, groups=32, padding=1),
    nn.Conv2d(130, 140, 1),
    nn.Conv3d(4, 4, (8, 19, 19), (1, 4, 4), bias=False),
    nn.Conv2d(300, 30, (18, 20)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("size", [(2, 9, 24, 26), (1, 8, 19, 31)])
def test_a_frozen_convolution_is_the_convolution(layer: Convolution, size: tuple[int, ...]) -> None:
    batch, *clip = size
    given = layer.in_channels
    shape = (batch, given, *clip) if isinstance(layer, nn.Conv3d) else (9 * batch, given, *clip[1:])
    norm = norm_for(layer)
    for dtype, tolerance in ((torch.float64, FLOAT64), (torch.float32, FLOAT32)):
        features = random(*shape).to(dtype)
        frozen = FrozenConvolution(copy.deepcopy(layer).to(dtype), norm.to(dtype))
        seen = features.clone().requires_grad_()
        output = frozen(seen)
        slopes = random(*output.shape).to(dtype)
        (gradient,) = torch.autograd.grad(output, seen, slopes)
        expect = expected(nn.Sequential(copy.deepcopy(layer).to(dtype), norm), features, slopes)
        assert differ(output, expect[0]) < tolerance
        assert differ(gradient, expect[1]) < tolerance


def norm_for(layer: Convolution) -> BatchNorm:
    kind = nn.BatchNorm3d if isinstance(layer, nn.Conv3d) else nn.BatchNorm2d
    norm: BatchNorm = kind(layer.out_channels, eps=1e-3).double().eval()
    for seed, value in enumerate((*norm.parameters(), *norm.buffers())):
        if value.is_floating_point():
            value.data.copy_(random(*value.shape, seed=seed).abs() + 0.1)
    return norm


def test_the_layers_above_reach_every_kernel() -> None:
    kinds = set()
    for layer in LAYERS:
        frozen = FrozenConvolution(layer, None)
        size = (2, layer.in_channels, 9, 24, 26)
        features = torch.randn(size if isinstance(layer, nn.Conv3d) else (18, size[1], 24, 26))
        frozen(features.requires_grad_()).sum().backward()
        kinds |= {type(frozen._run._forward), type(frozen._run._backward)}  # type: ignore[attr-defined]
    assert kinds == {kernels.Direct, kernels.Transposed, kernels.ByPhases, kernels.Unprepared}


def test_a_kernel_made_for_one_size_takes_others() -> None:
    layer = nn.Conv3d(20, 24, 3, 2, 1)
    frozen = FrozenConvolution(layer, None)
    for clip in ((8, 16, 16), (7, 15, 18), (3, 33, 9)):
        features = torch.randn(2, 20, *clip, requires_grad=True)
        output = frozen(features)
        (gradient,) = torch.autograd.grad(output.sum(), features)
        expect = expected(layer, features.detach(), torch.ones_like(output))
        assert differ(output, expect[0]) < FLOAT32
        assert differ(gradient, expect[1]) < FLOAT32


def test_what_is_not_a_plain_convolution_is_left_alone() -> None:
    class Own(nn.Conv2d):
        def forward(self, features: Tensor) -> Tensor:
            return super().forward(features) + 1

    assert not can_freeze(Own(3, 3, 3))
    assert not can_freeze(nn.Conv2d(3, 3, 3, padding="same"))
    assert not can_freeze(nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"))
    assert not can_freeze(nn.ConvTranspose2d(3, 3, 3))
    assert not can_fold(nn.BatchNorm3d(3))
    assert not can_fold(nn.BatchNorm3d(3, track_running_stats=False).eval())
    assert can_freeze(nn.Conv2d(3, 3, 3))
    assert can_fold(nn.BatchNorm2d(3).eval())


class Net(nn.Module):
    """Everything that folding must get right, or leave alone."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm3d(8)
        self.twice = nn.Conv3d(8, 8, 1)
        self.between = nn.BatchNorm3d(8)
        self.read = nn.Conv3d(8, 8, 3, padding=1)
        self.after = nn.BatchNorm3d(8)
        self.last = nn.Conv3d(8, 5, 1)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
                module.running_mean.normal_()  # type: ignore[union-attr]

    def forward(self, frames: Tensor) -> Tensor:
        features = torch.relu(self.norm(self.first(frames)))
        features = self.twice(self.between(self.twice(features)))
        features = torch.relu_(features)
        features = self.after(self.read(features)) + features
        logits: Tensor = self.last(features).mean(dim=(2, 3, 4))
        return logits


class Reread(Net):
    """The output of a convolution is used before and after its norm."""

    def forward(self, frames: Tensor) -> Tensor:
        raw = self.read(torch.relu(self.norm(self.first(frames))))
        logits: Tensor = self.last(self.after(raw) + raw).mean(dim=(2, 3, 4))
        return logits


def logits_and_gradient(net: object, frames: Tensor) -> tuple[Tensor, Tensor]:
    seen = frames.clone().requires_grad_()
    logits = net(seen)  # type: ignore[operator]
    return logits.detach(), torch.autograd.grad(logits.log_softmax(dim=1)[:, 0].sum(), seen)[0]


def frozen_parts(accelerated: Accelerated) -> list[str]:
    quick = accelerated._quick
    assert quick is not None
    return [name for name, each in quick.named_modules() if isinstance(each, FrozenConvolution)]


@pytest.mark.parametrize("kind", [Net, Reread])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_the_copy_gives_the_same(kind: type[Net], dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(0)
    net = kind().eval().requires_grad_(requires_grad=False).to(dtype)
    keys = list(net.state_dict())
    frames = random(2, 3, 6, 10, 12).to(dtype)
    accelerated = Accelerated()
    found = logits_and_gradient(lambda seen: accelerated(net, seen), frames)
    expect = logits_and_gradient(net, frames)
    assert differ(found[0], expect[0]) < tolerance
    assert differ(found[1], expect[1]) < tolerance
    assert list(net.state_dict()) == keys
    assert bool(frozen_parts(accelerated)) is (kind is Net)  # Reread would come out wrong


def test_changed_weights_are_seen() -> None:
    net = Net().eval().requires_grad_(requires_grad=False)
    classifier = VideoClassifier(net, frames=6, size=(10, 12))
    frames = torch.randn(1, 3, 6, 10, 12)
    before = classifier.accelerated(frames)
    with torch.no_grad():
        net.first.weight.mul_(2)
    changed = classifier.accelerated(frames)
    assert differ(changed, net(frames)) < FLOAT32
    assert differ(changed, before) > 1e-3
    net.load_state_dict(Net().state_dict())
    assert differ(classifier.accelerated(frames), net(frames)) < FLOAT32
    net.last = nn.Conv3d(8, 3, 1)
    assert classifier.accelerated(frames).shape == (1, 3)
    assert classifier.double().accelerated(frames.double()).dtype == torch.float64


def test_hooks_see_the_network_itself() -> None:
    net = Net().eval()
    classifier = VideoClassifier(net, frames=6, size=(10, 12))
    frames = torch.randn(1, 3, 6, 10, 12)
    classifier.accelerated(frames)
    seen: list[Tensor] = []
    with net.first.register_forward_hook(lambda *given: seen.append(given[-1])):
        classifier.accelerated(frames)
    assert torch.equal(seen[0], F.conv3d(frames, net.first.weight, net.first.bias, padding=1))
    classifier.accelerated(frames)
    assert len(seen) == 1


def test_a_classifier_can_be_copied_and_pickled() -> None:
    classifier = vx.load_model("tiny_tsm", device="cpu")
    frames = torch.randn(1, 3, 16, 64, 64)
    logits = classifier.accelerated(frames)
    for same in (copy.deepcopy(classifier), pickle.loads(pickle.dumps(classifier))):
        assert torch.equal(same.accelerated(frames), logits)
        assert same.state_dict().keys() == classifier.state_dict().keys()


def test_the_number_of_threads_does_not_matter() -> None:
    classifier = vx.load_model("tiny_r2plus1d", device="cpu")
    frames = random(1, 3, 16, 64, 64).float()
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(logits_and_gradient(classifier.accelerated, frames))
    finally:
        torch.set_num_threads(threads)
    assert differ(found[0][0], found[1][0]) < FLOAT32
    assert differ(found[0][1], found[1][1]) < 1e-4


def test_memory_layouts_are_those_of_the_kernels() -> None:
    for axes, layout in LAYOUTS.items():
        features = torch.randn(1, 8, *[6] * axes)
        layer = (nn.Conv2d, nn.Conv3d)[axes - 2](8, 8, 3)
        assert FrozenConvolution(layer, None)(features).is_contiguous(memory_format=layout)


@pytest.mark.parametrize("name", ["tiny_tsm", "tiny_r2plus1d", "mc3", "i3d"])
def test_every_convolution_of_the_known_networks_is_frozen(name: str) -> None:
    own = name.startswith("tiny")
    classifier = vx.load_model(name, weights="auto" if own else "random", device="cpu")
    size = (64, 64) if name == "mc3" else classifier.size
    classifier.accelerated(torch.randn(1, 3, classifier.frames, *size))
    quick = classifier._accelerated._quick
    assert quick is not None
    wanted = {each for each, layer in classifier.net.named_modules() if can_freeze(layer)}
    assert set(frozen_parts(classifier._accelerated)) == wanted
    assert not any(can_fold(layer) for layer in quick.modules())


def test_searches_and_all_that_ask_often_are_accelerated() -> None:
    classifier = vx.load_model("tiny_tsm", device="cpu")
    clips = classifier.preprocess(vx.shapes(num_clips=1))
    for method in ("3d_ep", "integrated_grad", "smooth_grad"):
        vx.explain(classifier, clips, method)
        assert classifier._accelerated._quick is not None, method
        classifier._accelerated = Accelerated()


def test_a_norm_without_weights_is_folded() -> None:
    layer, norm = nn.Conv3d(4, 6, 3), nn.BatchNorm3d(6, affine=False)
    norm.running_mean.normal_()  # type: ignore[union-attr]
    norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    features = torch.randn(1, 4, 5, 8, 8)
    expect = expected(nn.Sequential(layer, norm.eval()), features, None)
    assert differ(FrozenConvolution(layer, norm)(features), expect[0]) < FLOAT32


def test_gradients_reach_inputs_that_no_output_sees() -> None:
    layer = nn.Conv3d(3, 8, 2, 2)
    features = torch.randn(1, 3, 5, 9, 7, requires_grad=True)
    output = FrozenConvolution(layer, None)(features)
    (gradient,) = torch.autograd.grad(output.sum(), features)
    expect = expected(layer, features.detach(), torch.ones_like(output))
    assert differ(gradient, expect[1]) < FLOAT32


class AsksItsLayer(Net):
    def forward(self, frames: Tensor) -> Tensor:
        logits: Tensor = super().forward(frames.to(self.first.weight.dtype))
        return logits


class AsksItsParameters(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.only = nn.Conv3d(3, 4, 3)

    def forward(self, frames: Tensor) -> Tensor:
        logits: Tensor = self.only(frames.to(next(self.parameters()).dtype)).mean((2, 3, 4))
        return logits


class NamesItsInput(Net):
    def forward(self, frames: Tensor) -> Tensor:
        logits: Tensor = self.first(input=frames).mean((2, 3, 4))
        return logits


@pytest.mark.parametrize(
    "net",
    [AsksItsLayer(), AsksItsParameters(), NamesItsInput()],
    ids=lambda net: type(net).__name__,
)
def test_a_network_that_a_copy_does_not_suit_runs_itself(net: nn.Module) -> None:
    classifier = VideoClassifier(net, frames=6, size=(10, 12))
    frames = torch.randn(1, 3, 6, 10, 12)
    assert torch.equal(classifier.accelerated(frames), classifier(frames))


def test_a_copy_made_where_no_gradient_can_be_serves_where_one_can() -> None:
    classifier = VideoClassifier(Net().double(), frames=6, size=(10, 12))
    frames = random(1, 3, 6, 10, 12)
    with torch.inference_mode():
        classifier.accelerated(frames)
    found = logits_and_gradient(classifier.accelerated, frames)
    assert differ(found[1], logits_and_gradient(classifier, frames)[1]) < FLOAT64


def test_several_threads_may_ask_first() -> None:
    classifier = vx.load_model("tiny_tsm", device="cpu")
    frames = torch.randn(1, 3, 16, 64, 64)
    expect = classifier(frames)
    for _ in range(3):
        classifier._accelerated = Accelerated()
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(classifier.accelerated, [frames] * 4))
        assert all(differ(each, expect) < 1e-4 for each in found)
        assert frozen_parts(classifier._accelerated)


@pytest.mark.parametrize("change", ["act", "running_var"])
def test_other_changes_are_seen(change: str) -> None:
    net = Net().eval()
    classifier = VideoClassifier(net, frames=6, size=(10, 12))
    frames = torch.randn(1, 3, 6, 10, 12)
    classifier.accelerated(frames)
    if change == "act":
        net.norm = nn.BatchNorm3d(8).eval()
    else:
        net.norm.running_var.mul_(4)  # type: ignore[union-attr]
    assert differ(classifier.accelerated(frames), classifier(frames)) < 1e-4


class SaysItsType(nn.Module):
    """Logits that tell what a convolution computed in."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(3, 2, 1)

    def forward(self, frames: Tensor) -> Tensor:
        features = self.convolution(frames)
        mixed = features.dtype == torch.bfloat16
        logits: Tensor = features.float().mean((2, 3, 4)) * 0 + float(mixed)
        return logits


def test_convolutions_compute_in_the_precision_that_was_chosen() -> None:
    classifier = VideoClassifier(SaysItsType(), frames=4, size=(8, 8))
    frames = torch.randn(1, 3, 4, 8, 8)
    chosen: list[tuple[Precision, float]] = [("float32", 0), ("bfloat16", 1), ("float32", 0)]
    for precision, told in chosen:
        classifier.precision = precision
        assert classifier(frames).tolist() == [[told, told]]
        assert classifier.accelerated(frames).tolist() == [[told, told]]
