"""Guided backpropagation: its rule by hand, Captum's answer, and networks that it refuses."""

import pytest
import torch
from captum import attr
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from tests.formulas import SmallNet, clip
from videxplain import api
from videxplain.errors import UnsupportedPairError
from videxplain.models.classifier import VideoClassifier
from videxplain.scores import SCORES, ScoreName
from videxplain.types import Choosy, Clips

TARGET = torch.tensor([3, 1])


def test_the_rule_by_hand() -> None:
    """Two hidden units, one that speaks for the class and one against it; one is asleep."""
    first = torch.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0], [-1.0, -1.0, -1.0]])
    second = torch.tensor([[2.0, -5.0, 7.0]])
    hidden, head = nn.Linear(3, 3, bias=False), nn.Linear(3, 1, bias=False)
    hidden.weight.data, head.weight.data = first, second
    net = nn.Sequential(nn.Flatten(), hidden, nn.ReLU(), head)
    classifier = VideoClassifier(net, frames=1, size=(1, 1))
    clips = Clips(torch.ones(1, 3, 1, 1, 1))

    def found(method: str) -> list[float]:
        return api.explain(classifier, clips, method, 0).values.flatten().tolist()

    assert found("grad") == [2, 4 + 5, -15]
    assert found("guided_backprop") == [2, 4, 0], "only the first unit is awake and speaks for it"


@pytest.mark.parametrize("score", list(SCORES))
def test_the_score_explained(small: VideoClassifier, score: ScoreName) -> None:
    frames = clip(1, 8, 24, 28).requires_grad_()
    features: Tensor = frames
    for block in (small.net.stem, small.net.layer3, small.net.layer4):
        features = block[0](features).relu()  # type: ignore[index,operator]
        features.register_hook(lambda slope: slope.clamp_min(0))  # type: ignore[no-untyped-call]
    logits = small.net.fc(features.mean((2, 3, 4)))  # type: ignore[operator]
    (wanted,) = torch.autograd.grad(SCORES[score](logits, TARGET[:1]).sum(), frames)
    found = api.explain(small, Clips(frames.detach()), "guided_backprop", TARGET[:1], score=score)
    assert found.values.abs().max() > 0
    torch.testing.assert_close(found.values[0], wanted)


class Functional(SmallNet):
    """The same network without ReLU modules: its ReLUs are functions, each kind once."""

    def __init__(self) -> None:
        super().__init__()
        for block in (self.stem, self.layer3, self.layer4):
            block[1] = nn.Identity()

    def forward(self, frames: Tensor) -> Tensor:
        features = torch.relu_(self.stem[0](frames))
        features = F.relu(self.layer3[0](features), inplace=True)
        features = self.layer4[0](features).relu()
        logits: Tensor = self.fc(features.mean((2, 3, 4)))
        return logits


def test_functions_are_guided_as_modules_are(small: VideoClassifier) -> None:
    clips = Clips(clip(2, 8, 24, 28))
    wanted = api.explain(small, clips, "guided_backprop", TARGET).values
    functional = VideoClassifier(Functional(), frames=8, size=(24, 28))
    method = api.load_method("guided_backprop")
    assert isinstance(method, Choosy)
    method.check(functional)
    found = api.explain(functional, clips, method, TARGET).values
    assert torch.equal(found, wanted)
    plain = api.explain(small, clips, "grad", TARGET).values
    assert not torch.allclose(found, plain), "the gradient after it is the plain one again"


def theirs(net: nn.Module, frames: Tensor) -> Tensor:
    with pytest.warns(UserWarning, match="backward hooks"):
        found: Tensor = attr.GuidedBackprop(net).attribute(frames.clone().requires_grad_(), TARGET)
    return found


def test_captum(small: VideoClassifier) -> None:
    frames = clip(2, 8, 40, 44)
    ours = api.explain(small, Clips(frames), "guided_backprop", TARGET).values[0]
    torch.testing.assert_close(ours, theirs(small.net, frames), atol=1e-7, rtol=1e-4)


def test_captum_on_r3d() -> None:
    """In float64, where rounding cannot decide on which side of zero an activation lies."""
    classifier = api.load_model("r3d", weights="random", device="cpu").double()
    frames = clip(2, 4, 32, 32).double()
    ours = api.explain(classifier, Clips(frames), "guided_backprop", TARGET).values[0]
    wanted = theirs(classifier.net, frames)
    scale = wanted.abs().max().item()
    assert scale > 0
    torch.testing.assert_close(ours, wanted, atol=1e-10 * scale, rtol=0)


@pytest.mark.parametrize("name", ["i3d", "r2plus1d", "tiny_r2plus1d", "tiny_tsm", "tsm"])
def test_networks_with_relus_are_not(name: str) -> None:
    method = api.load_method("guided_backprop")
    assert isinstance(method, Choosy)
    method.check(api.load_model(name, weights="random", device="cpu"))


def test_a_network_without_relus_is_refused() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 8 * 8, 5))
    classifier = VideoClassifier(net, frames=4, size=(8, 8))
    method = api.load_method("guided_backprop")
    assert isinstance(method, Choosy)
    said = "needs ReLUs in the network and this model has none: .*method=grad"
    with pytest.raises(UnsupportedPairError, match=said):
        method.check(classifier)
    with pytest.raises(UnsupportedPairError, match=said):
        method(classifier, Clips(clip(1, 4, 8, 8)), TARGET[:1])
