"""I3D: Inception with its filters inflated to three dimensions.

Carreira and Zisserman, "Quo vadis, action recognition? A new model and the Kinetics dataset", CVPR
2017, https://arxiv.org/abs/1705.07750. Module names are those of the checkpoint converted by
Hassony et al.; files in the layout of Piergiovanni's conversion are renamed.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from pydantic import PositiveInt, validate_call
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from videxplain.errors import WeightsError
from videxplain.models.build import open_weights, random_net
from videxplain.models.class_names import class_names
from videxplain.models.classifier import KINETICS_MEAN, KINETICS_STD, VideoClassifier
from videxplain.models.extents import Extent, is_below, refuse_small
from videxplain.models.preprocessing import Size
from videxplain.models.weights import WeightsFile, fill
from videxplain.sampling import Rule
from videxplain.types import Frames, Logits

_COLOURS = 3
_AXES = "thw"
_HALF = (0.5, 0.5, 0.5)
_POOLED: Extent = (2, 7, 7)
"""What the last pooling averages."""
_LEAST: Extent = (9, 193, 193)
"""Less than this leaves less than that, whatever the padding."""
_ENOUGH: Extent = (10, 194, 194)
"""What is told: some paddings need one more."""
_NARROW = 1e-6
_USUAL = "hassony2"
_THEIR_NAMES = ("Conv3d_", "Mixed_")
"""How layers begin in Piergiovanni's layout, but for the last."""
_BRANCHES: Mapping[str, tuple[int, int, int, int, int, int]] = {
    "mixed_3b": (64, 96, 128, 16, 32, 32),
    "mixed_3c": (128, 128, 192, 32, 96, 64),
    "mixed_4b": (192, 96, 208, 16, 48, 64),
    "mixed_4c": (160, 112, 224, 24, 64, 64),
    "mixed_4d": (128, 128, 256, 24, 64, 64),
    "mixed_4e": (112, 144, 288, 32, 64, 64),
    "mixed_4f": (256, 160, 320, 32, 128, 128),
    "mixed_5b": (256, 160, 320, 32, 128, 128),
    "mixed_5c": (384, 192, 384, 48, 128, 128),
}
"""Output channels: 1x1; 1x1, 3x3; 1x1, 3x3; pool, 1x1 (the paper's figure 3)."""


@dataclass(frozen=True)
class Convention:
    """In what the public versions of the network differ.

    A strided layer pads an axis either for its real size, as TensorFlow's ``SAME`` does, or as if
    the size were a multiple of the stride; where it is (a multiple of 8 frames and of 32 pixels),
    all agree.

    Attributes:
        eps: Of the batch normalisation.
        mean: Mean colour, RGB in [0, 1].
        std: Standard deviation of the same.
        stem: Axes that the first convolution pads for their real size.
        pools: Axes that the pooling layers pad so.
    """

    eps: float = 1e-3
    mean: tuple[float, float, float] = _HALF
    std: tuple[float, float, float] = _HALF
    stem: str = ""
    pools: str = ""


CONVENTIONS: Mapping[str, Convention] = {
    "deepmind": Convention(stem="thw", pools="thw"),  # Piergiovanni's too
    "hassony2": Convention(stem="t"),
    "published": Convention(eps=1e-5, mean=KINETICS_MEAN, std=KINETICS_STD),
}
"""The network of the original weights, of their converted file, and of the published command."""


class _Pad(nn.Module):
    """Zeros around ``b c t h w``; where an odd number is missing, the end gets one more."""

    def __init__(self, kernel: Extent, stride: Extent, real: str) -> None:
        super().__init__()
        self.kernel, self.stride, self.real = kernel, stride, real

    def forward(self, features: Tensor) -> Tensor:
        """What a layer of this kernel and stride takes."""
        amounts: list[int] = []
        extents = zip(_AXES, self.kernel, self.stride, features.shape[2:], strict=True)
        for axis, kernel, stride, size in extents:
            last = (size - 1) % stride if axis in self.real else stride - 1
            missing = max(kernel - 1 - last, 0)
            amounts = [missing // 2, missing - missing // 2, *amounts]
        return F.pad(features, amounts)


def _pool(kernel: Extent, stride: Extent, real: str) -> nn.Sequential:
    """Largest value of each window; a window that reaches over the end counts."""
    return nn.Sequential(_Pad(kernel, stride, real), nn.MaxPool3d(kernel, stride, ceil_mode=True))


class _Unit(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(
        self, given: int, made: int, convention: Convention, *, side: int = 1, stride: int = 1
    ) -> None:
        super().__init__()
        strided = stride > 1
        self.pad = _Pad((side,) * 3, (stride,) * 3, convention.stem) if strided else nn.Identity()
        padding = 0 if strided else side // 2
        self.conv3d = nn.Conv3d(given, made, side, stride, padding, bias=False)
        self.batch3d = nn.BatchNorm3d(made, eps=convention.eps)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``b given t h w`` to ``b made t2 h2 w2``."""
        made: Tensor = self.relu(self.batch3d(self.conv3d(self.pad(features))))
        return made


class _Mixed(nn.Module):
    """Four branches, their channels side by side."""

    def __init__(self, given: int, made: Sequence[int], convention: Convention) -> None:
        super().__init__()
        unit = partial(_Unit, convention=convention)
        self.branch_0 = unit(given, made[0])
        self.branch_1 = nn.Sequential(unit(given, made[1]), unit(made[1], made[2], side=3))
        self.branch_2 = nn.Sequential(unit(given, made[3]), unit(made[3], made[4], side=3))
        # zeros and PyTorch's own padding are the same here: what comes in is never below zero
        self.branch_3 = nn.Sequential(nn.MaxPool3d(3, 1, padding=1), unit(given, made[5]))

    def forward(self, features: Tensor) -> Tensor:
        """Map ``b c t h w`` to the branches' channels."""
        return torch.cat([branch(features) for branch in self.children()], dim=1)


class I3D(nn.Module):
    """Inception-3D; clips that leave more than 2 x 7 x 7 positions get the mean of their logits.

    Args:
        num_classes: Number of logits.
        width: Share of the paper's channels, above 0; each layer keeps at least one.
        convention: Whose padding and batch normalisation; the colours are the caller's.
    """

    def __init__(
        self, num_classes: int, width: float = 1, convention: Convention = CONVENTIONS[_USUAL]
    ) -> None:
        super().__init__()
        stem, middle = _scaled((64, 192), width)
        unit = partial(_Unit, convention=convention)
        pool = partial(_pool, real=convention.pools)
        self.conv3d_1a_7x7 = unit(_COLOURS, stem, side=7, stride=2)
        self.maxpool3d_2a_3x3 = pool((1, 3, 3), (1, 2, 2))
        self.conv3d_2b_1x1 = unit(stem, stem)
        self.conv3d_2c_3x3 = unit(stem, middle, side=3)
        self.maxpool3d_3a_3x3 = pool((1, 3, 3), (1, 2, 2))
        made = middle
        for name, branches in _BRANCHES.items():
            if name == "mixed_4b":
                self.maxpool3d_4a_3x3 = pool((3, 3, 3), (2, 2, 2))
            if name == "mixed_5b":
                self.maxpool3d_5a_2x2 = pool((2, 2, 2), (2, 2, 2))
            channels = _scaled(branches, width)
            self.add_module(name, _Mixed(made, channels, convention))
            made = channels[0] + channels[2] + channels[4] + channels[5]
        head = nn.Conv3d(made, num_classes, 1)
        self.conv3d_0c_1x1 = nn.Sequential(OrderedDict(conv3d=head))

    def forward(self, frames: Frames) -> Logits:
        """Class scores.

        Raises:
            ConfigError: If a clip is too short or too small for the last pooling.
        """
        clip = frames.shape[2:]
        if is_below(clip, _LEAST):
            refuse_small("I3D", clip, _ENOUGH)
        *trunk, head = self.children()
        features = frames
        for layer in trunk:
            features = layer(features)
        if is_below(features.shape[2:], _POOLED):
            refuse_small("I3D", clip, _ENOUGH)
        logits: Tensor = head(F.avg_pool3d(features, _POOLED, stride=1)).mean(dim=(2, 3, 4))
        return logits


@validate_call
def i3d(  # noqa: PLR0913
    pretrain_dataset: str,
    weights: str,
    weights_dir: str | None,
    checkpoint: Mapping[str, object] | None,
    *,
    convention: Literal["hassony2", "deepmind", "published"] | None,
    frames: PositiveInt,
    size: tuple[PositiveInt, PositiveInt],
    resize: PositiveInt,
    sampling: Rule,
    stride: PositiveInt,
) -> VideoClassifier:
    """Build an I3D with the preprocessing of its training.

    Args:
        pretrain_dataset: ``kinetics``.
        weights: ``random``, the name of a known file, or a path.
        weights_dir: Where known files are kept; None is PyTorch's own cache.
        checkpoint: What is known of the file named, None for the others.
        convention: ``hassony2``, ``deepmind`` (colours in [-1, 1], eps 1e-3), or ``published``
            (Kinetics statistics, eps 1e-5); None takes that of the weights' layout.
        frames: Frames of a clip; 64 in training.
        size: Height and width of a clip; 224 in training.
        resize: Shorter side before the centre crop; 256 in training.
        sampling: Which frames of a video are seen.
        stride: Frames between two samples of ``dense``; 1 in training, of 25 a second.

    Raises:
        ConfigError: If the network cannot take such a clip.
        WeightsError: If the weights cannot be had or do not fit.
    """
    _try_clip(CONVENTIONS[convention or _USUAL], frames, size)
    file = open_weights(weights, weights_dir, checkpoint)
    chosen = CONVENTIONS[convention or _own_convention(file)]
    names = class_names(pretrain_dataset)
    net = random_net(partial(I3D, len(names), convention=chosen))
    return VideoClassifier(
        net,
        frames=frames,
        size=size,
        resize=resize,
        mean=chosen.mean,
        std=chosen.std,
        class_names=names,
        sampling=sampling,
        stride=stride,
        cam_layer="mixed_5c",
        weights_sha256=None if file is None else fill(net, file, hassony2_names),
    )


def hassony2_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename Piergiovanni's layout; other names stay as they are.

    Raises:
        WeightsError: If two names become one.
    """
    renamed = {_renamed(key): value for key, value in state.items()}
    if len(renamed) < len(state):
        message = "it holds the same layer twice, in two layouts: save one `state_dict()` alone"
        raise WeightsError(message)
    return renamed


def _own_convention(file: WeightsFile | None) -> str:
    """Each layout was published with a network of its own."""
    piergiaj = file is not None and any(_THEIR_NAMES[0] in key for key in file.state)
    return "deepmind" if piergiaj else _USUAL


def _renamed(key: str) -> str:
    if key.startswith("logits.conv3d."):
        return key.replace("logits", "conv3d_0c_1x1", 1)
    if not key.startswith(_THEIR_NAMES):
        return key
    key = key[0].lower() + key[1:].replace(".bn.", ".batch3d.")
    key = key.replace(".b0.", ".branch_0.").replace(".b3b.", ".branch_3.1.")
    return re.sub(r"\.b([12])([ab])\.", lambda m: f".branch_{m[1]}.{'ab'.index(m[2])}.", key)


def _scaled(channels: Sequence[int], width: float) -> tuple[int, ...]:
    return tuple(max(1, round(each * width)) for each in channels)


def _try_clip(convention: Convention, frames: int, size: Size) -> None:
    """Refuse a clip that the network cannot take, before any weights are looked for."""
    with torch.device("meta"):  # shapes alone
        I3D(1, width=_NARROW, convention=convention).eval()(torch.empty(1, _COLOURS, frames, *size))
