"""Looking inside a network leaves nothing behind."""

import pytest
import torch
from torch import nn

from tests.formulas import SmallNet, clip
from videxplain.errors import LayerNotFoundError
from videxplain.hooks import capture, output_shapes


class InPlace(nn.Module):
    """The layer after ``first`` overwrites what ``first`` gave."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.second = nn.ReLU(inplace=True)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        second: torch.Tensor = self.second(self.first(values))
        return second


def test_what_a_layer_gave_survives_the_next_layer() -> None:
    net = InPlace()
    values = torch.tensor([[5.0, -9.0]], requires_grad=True)
    with capture(net, "first") as outputs:
        scores = net(values)
    assert torch.equal(outputs[0], net.first(values))
    (gradient,) = torch.autograd.grad(scores.sum(), outputs[0])
    assert torch.equal(gradient, (outputs[0] > 0).float())


def test_hooks_go_whatever_happens() -> None:
    net = SmallNet()
    with pytest.raises(RuntimeError), capture(net, "layer4"), output_shapes(net):
        net(torch.zeros(1, 4, 16, 32, 32))
    assert not any(module._forward_hooks for module in net.modules())


def test_an_unknown_layer_names_the_known_ones() -> None:
    wrong = pytest.raises(LayerNotFoundError, match=r"'layer9'.*stem, layer3, layer4, fc")
    with wrong, capture(SmallNet(), "layer9"):
        pass


def test_shapes() -> None:
    with output_shapes(SmallNet()) as shapes:
        pass
    assert shapes == {}
    net = SmallNet()
    with output_shapes(net) as shapes:
        net(clip(1, 16, 112, 112))
    assert shapes["layer4"] == (1, 24, 4, 14, 14)
    assert shapes["fc"] == (1, 10)
