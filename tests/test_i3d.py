"""I3D: padding, pooling, width, and the other public layout."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from tests.formulas import clip, fill, golden
from videxplain import api
from videxplain.errors import ConfigError
from videxplain.models.extents import Extent
from videxplain.models.i3d import CONVENTIONS, I3D, hassony2_names
from videxplain.words import counted

WIDTH = 1 / 16
CLASSES = 7


def small(convention: str = "hassony2") -> I3D:
    net = I3D(CLASSES, WIDTH, CONVENTIONS[convention])
    net.load_state_dict(fill(net.state_dict()))
    return net.eval()


def piergiaj_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The way back, written on its own."""
    letters = {
        "branch_0": "b0",
        "branch_1.0": "b1a",
        "branch_1.1": "b1b",
        "branch_2.0": "b2a",
        "branch_2.1": "b2b",
        "branch_3.1": "b3b",
        "batch3d": "bn",
        "conv3d_0c_1x1": "logits",
        "mixed": "Mixed",
        "conv3d_": "Conv3d_",
    }
    renamed = {}
    for key, value in state.items():
        name = key
        for ours, theirs in letters.items():
            name = name.replace(ours, theirs)
        renamed[name] = value
    return renamed


def same(features: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """TensorFlow's SAME: ceil(size / stride) windows, what is missing shared out, the end first."""
    pads: list[int] = []
    for side, step, size in zip(kernel, stride, features.shape[2:], strict=True):
        total = max((math.ceil(size / step) - 1) * step + side - size, 0)
        pads = [total // 2, total - total // 2, *pads]
    return F.pad(features, pads)


def reference(state: Mapping[str, Tensor], frames: Tensor) -> Tensor:
    """The network written from the paper's figure over the names of Piergiovanni's layout."""

    def unit(name: str, features: Tensor, stride: int = 1) -> Tensor:
        weight = state[f"{name}.conv3d.weight"]
        padded = same(features, weight.shape[2:], (stride,) * 3)
        mean, variance, scale, bias = (
            state[f"{name}.bn.{each}"] for each in ("running_mean", "running_var", "weight", "bias")
        )
        convolved = F.conv3d(padded, weight, stride=stride)
        return F.batch_norm(convolved, mean, variance, scale, bias, eps=1e-3).relu()

    def pool(features: Tensor, kernel: Extent, stride: Extent) -> Tensor:
        pooled: Tensor = nn.MaxPool3d(kernel, stride)(same(features, kernel, stride))
        return pooled

    def mixed(name: str, features: Tensor) -> Tensor:
        branches = [
            unit(f"{name}.b0", features),
            unit(f"{name}.b1b", unit(f"{name}.b1a", features)),
            unit(f"{name}.b2b", unit(f"{name}.b2a", features)),
            unit(f"{name}.b3b", pool(features, (3, 3, 3), (1, 1, 1))),
        ]
        return torch.cat(branches, dim=1)

    features = pool(unit("Conv3d_1a_7x7", frames, 2), (1, 3, 3), (1, 2, 2))
    features = unit("Conv3d_2c_3x3", unit("Conv3d_2b_1x1", features))
    features = pool(features, (1, 3, 3), (1, 2, 2))
    features = mixed("Mixed_3c", mixed("Mixed_3b", features))
    features = pool(features, (3, 3, 3), (2, 2, 2))
    for letter in "bcdef":
        features = mixed(f"Mixed_4{letter}", features)
    features = pool(features, (2, 2, 2), (2, 2, 2))
    features = mixed("Mixed_5c", mixed("Mixed_5b", features))
    averaged = F.avg_pool3d(features, (2, 7, 7), stride=1)
    head = F.conv3d(averaged, state["logits.conv3d.weight"], state["logits.conv3d.bias"])
    return head.mean(dim=(2, 3, 4))


@pytest.mark.parametrize(
    ("frames", "height", "width"),
    [(16, 224, 224), (9, 193, 201), (13, 224, 193), (17, 256, 225), (10, 196, 200)],
)
def test_deepminds_convention_is_the_papers_network(frames: int, height: int, width: int) -> None:
    net = small("deepmind")
    clips = clip(1, frames, height, width)
    wanted = reference(piergiaj_names(net.state_dict()), clips)
    torch.testing.assert_close(net(clips), wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("frames", [12, 16, 20, 32])
def test_conventions_agree_where_sizes_are_multiples(frames: int) -> None:
    clips = clip(1, frames, 224, 224)
    torch.testing.assert_close(small("hassony2")(clips), small("deepmind")(clips))
    apart = (small("published")(clips) - small("hassony2")(clips)).abs().max()
    assert 1e-4 < apart < 0.1, "eps"


@pytest.mark.parametrize(
    ("convention", "frames", "stem", "pool"),
    [
        ("hassony2", 9, (3, 3, 2, 3), (0, 1)),
        ("deepmind", 9, (3, 3, 3, 3), (1, 1)),
        ("published", 9, (2, 3, 2, 3), (0, 1)),
        ("hassony2", 16, (2, 3, 2, 3), (0, 1)),
        ("deepmind", 16, (2, 3, 3, 3), (0, 1)),
    ],
)
def test_padding(
    convention: str, frames: int, stem: tuple[int, ...], pool: tuple[int, int]
) -> None:
    """Zeros before and after an odd number of rows, and of frames; and of frames in a pool."""
    net = small(convention)
    padded = net.conv3d_1a_7x7.pad(torch.ones(1, 1, frames, 225, 224))
    assert (*edges(padded, 2), *edges(padded, 3)) == stem
    pooled = net.maxpool3d_4a_3x3[0](torch.ones(1, 1, (frames + 1) // 2, 28, 28))
    assert edges(pooled, 2) == pool


def edges(padded: Tensor, dim: int) -> tuple[int, int]:
    """Zeros at the start and end of an axis."""
    filled = padded.amax(dim=[axis for axis in range(padded.dim()) if axis != dim]).nonzero()
    return int(filled[0]), padded.shape[dim] - 1 - int(filled[-1])


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_least_clip_is_what_the_message_says(convention: str) -> None:
    net = small(convention)
    assert net(clip(1, 10, 194, 194)).shape == (1, CLASSES)
    for frames, side in ((8, 224), (16, 192), (1, 224), (16, 1)):
        with pytest.raises(ConfigError, match="give at least 10 frames and 194 pixels a side"):
            net(clip(1, frames, side, side))


def test_a_clip_too_small_is_told_before_the_weights_are_read(tmp_path: Path) -> None:
    (tmp_path / "empty.pth").touch()
    for frames, side in ((8, 224), (16, 192), (8, 32), (1, 224), (16, 1)):
        with pytest.raises(
            ConfigError, match=f"{counted(frames, 'frame')} of {side} x {side} pixels"
        ):
            api.load_model(
                "i3d", weights=str(tmp_path / "empty.pth"), frames=frames, size=[side, side]
            )
    with pytest.raises(ConfigError, match=r"model\.size=\[224\]: give at least 2 values"):
        api.load_model("i3d", weights="random", size=[224])


def test_width() -> None:
    counts = [
        sum(p.numel() for p in I3D(400, width).parameters()) for width in (1e-6, 0.25, 0.5, 1)
    ]
    assert all(narrow < wide for narrow, wide in pairwise(counts))
    assert counts[-1] == golden("networks")["i3d_hassony2"]["parameters"]


def test_an_unknown_convention_is_told() -> None:
    with pytest.raises(ConfigError, match=r"'hassony': input should be 'hassony2', 'deepmind' or"):
        api.load_model("i3d", weights="random", convention="hassony")


def test_published_statistics_are_an_option() -> None:
    own = api.load_model("i3d", weights="random")
    frames = torch.zeros(1, 3, 1, 1, 1)
    assert own.black(frames).flatten().tolist() == [-1, -1, -1]
    published = api.load_model("i3d", weights="random", convention="published")
    assert published.mean.tolist() == pytest.approx([0.43216, 0.394666, 0.37645])
    eps = {m.eps for m in published.net.modules() if isinstance(m, nn.BatchNorm3d)}
    assert eps == {1e-5}


def test_both_public_layouts_have_the_same_names_after_renaming() -> None:
    theirs = golden("i3d_piergiaj_keys")
    renamed = hassony2_names({key: torch.empty(0) for key in theirs})
    assert set(renamed) == set(golden("i3d_keys"))
    shapes = golden("i3d_keys")
    assert all(shapes[ours] == theirs[key] for ours, key in zip(renamed, theirs, strict=True))


def test_it_can_be_trained() -> None:
    torch.manual_seed(0)
    net = I3D(2, WIDTH).train()
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    frames = torch.cat([clip(1, 10, 194, 194), -clip(1, 10, 194, 194)])
    losses = []
    for _ in range(12):
        loss = F.cross_entropy(net(frames), torch.tensor([0, 1]))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
