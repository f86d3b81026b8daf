"""TSM: a ResNet-50 over frames that exchanges channels between neighbouring frames.

Lin, Gan and Han, "TSM: temporal shift module for efficient video understanding", ICCV 2019,
https://arxiv.org/abs/1811.08383; without the shift it is TSN, Wang et al., "Temporal segment
networks", ECCV 2016. Module names are those of the published checkpoints.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from pydantic import PositiveInt, validate_call
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torchvision.models import resnet50
from torchvision.models.resnet import Bottleneck

from videxplain.errors import ConfigError, WeightsError
from videxplain.models.build import open_weights, random_net
from videxplain.models.class_names import class_names
from videxplain.models.classifier import VideoClassifier
from videxplain.models.weights import WeightsFile, fill
from videxplain.sampling import Rule
from videxplain.types import Logits
from videxplain.words import counted

_FOLDS = 8  # one channel in 8 looks ahead and one in 8 looks back
_FEATURES = 2048
_FIRST_BLOCK = "base_model.layer1.0"
_SIDE = 224
_SHORTER_SIDE = 256
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_HEADS: tuple[Mapping[str, str], ...] = (
    {"kinetics": "new_fc"},
    {"epic-kitchens-verb": "fc_verb", "epic-kitchens-noun": "fc_noun"},
)
"""The linear layers of each published network, by the class list that they score."""


def shift_in_time(features: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t c h w"]:
    """Exchange part of the channels between neighbouring frames; the ends are filled with zeros.

    Channels ``[0, c / 8)`` take the next frame, ``[c / 8, c / 4)`` the previous one, the rest stay.
    """
    shifted: Tensor = _ShiftFunction.apply(features)
    return shifted


class _ShiftFunction(torch.autograd.Function):
    """The shift and its gradient, which is the shift with past and future exchanged."""

    @staticmethod
    def forward(_: Any, features: Tensor) -> Tensor:  # noqa: ANN401
        fold = features.shape[2] // _FOLDS
        return _take_from_neighbours(features, slice(fold), slice(fold, 2 * fold))

    @staticmethod
    @once_differentiable
    def backward(_: Any, slopes: Tensor) -> Tensor:  # noqa: ANN401
        fold = slopes.shape[2] // _FOLDS
        return _take_from_neighbours(slopes, slice(fold, 2 * fold), slice(fold))


def _take_from_neighbours(features: Tensor, ahead: slice, back: slice) -> Tensor:
    """A copy in which some channels come from the next frame, some from the one before."""
    shifted = features.clone()
    shifted[:, :-1, ahead] = features[:, 1:, ahead]
    shifted[:, -1, ahead] = 0
    shifted[:, 1:, back] = features[:, :-1, back]
    shifted[:, 0, back] = 0
    return shifted


class _ShiftedConvolution(nn.Module):
    """A convolution that is fed with shifted channels."""

    def __init__(self, net: nn.Module, frames: int) -> None:
        super().__init__()
        self.net = net
        self.frames = frames

    def forward(self, features: Float[Tensor, "bt c h w"]) -> Float[Tensor, "bt c2 h2 w2"]:
        """Frames are folded into the batch here, as everywhere in the ResNet."""
        unfolded = rearrange(features, "(b t) c h w -> b t c h w", t=self.frames)
        convolved: Tensor = self.net(rearrange(shift_in_time(unfolded), "b t c h w -> (b t) c h w"))
        return convolved


class TSM(nn.Module):
    """Frames in the batch, a shift before each residual block's first convolution, mean of logits.

    Args:
        heads: Number of classes of each linear layer, by its name.
        head: The layer that answers.
        frames: Frames of a clip; without a shift, any number will do.
        shift: Whether channels are exchanged; without, the frames do not know each other (TSN).
    """

    def __init__(
        self, heads: Mapping[str, int], head: str, *, frames: int = 8, shift: bool = True
    ) -> None:
        super().__init__()
        self.frames = frames if shift else None
        self.head = head
        self.base_model = resnet50(weights=None)
        self.base_model.fc = nn.Identity()
        for name, classes in heads.items():
            self.add_module(name, nn.Linear(_FEATURES, classes))
        for block in self.base_model.modules():
            if shift and isinstance(block, Bottleneck):
                block.conv1 = _ShiftedConvolution(block.conv1, frames)

    def forward(self, frames: Float[Tensor, "b t c h w"]) -> Logits:
        """Class scores of one head; note the layout, frames before colours.

        Raises:
            ConfigError: If the clip has another length than the network was built for.
        """
        batch, length = frames.shape[:2]
        if self.frames not in (None, length):
            message = (
                f"this network was built for clips of {counted(self.frames, 'frame')} and got "
                f"{length}: "
                f"build it with frames={length}"
            )
            raise ConfigError(message)
        features = self.base_model(frames.flatten(0, 1))
        logits: Tensor = self.get_submodule(self.head)(features)
        return rearrange(logits, "(b t) k -> b t k", b=batch).mean(dim=1)


@validate_call
def tsm(  # noqa: PLR0913
    pretrain_dataset: str,
    weights: str,
    weights_dir: str | None,
    checkpoint: Mapping[str, object] | None,
    *,
    shift: bool | None,
    frames: PositiveInt,
    sampling: Rule,
    stride: PositiveInt,
) -> VideoClassifier:
    """Build a TSM or TSN with the preprocessing of its training.

    Args:
        pretrain_dataset: ``kinetics``, ``epic-kitchens-noun`` or ``epic-kitchens-verb``.
        weights: ``random``, the name of a known file, or a path.
        weights_dir: Where known files are kept; None is PyTorch's own cache.
        checkpoint: What is known of the file named, None for the others.
        shift: True for TSM, False for TSN; None as the weights have it.
        frames: Frames of a clip; 8 in training.
        sampling: Which frames of a video are seen.
        stride: Frames between two samples of ``dense``.

    Raises:
        WeightsError: If the weights cannot be had or do not fit.
    """
    names = class_names(pretrain_dataset)
    file = open_weights(weights, weights_dir, checkpoint)
    shifts = _decide_shift(shift, file)
    head_of = next(heads for heads in _HEADS if pretrain_dataset in heads)
    classes = {head: len(class_names(each)) for each, head in head_of.items()}
    build = partial(TSM, classes, head_of[pretrain_dataset], frames=frames, shift=shifts)
    net = random_net(build)
    return VideoClassifier(
        net,
        frames=frames,
        size=(_SIDE, _SIDE),
        resize=_SHORTER_SIDE,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        class_names=names,
        sampling=sampling,
        stride=stride,
        layout="b t c h w",
        cam_layer="base_model.layer4",
        cam_layout="(b t) c h w",
        weights_sha256=None if file is None else fill(net, file),
    )


def _decide_shift(asked: bool | None, file: WeightsFile | None) -> bool:
    """Tell TSM and TSN apart: the same shapes, and nonsense in each other's network."""
    names = () if file is None else file.state
    plain = any(name.endswith(f"{_FIRST_BLOCK}.conv1.weight") for name in names)
    shifted = any(name.endswith(f"{_FIRST_BLOCK}.conv1.net.weight") for name in names)
    if file is not None and ((asked and plain) or (asked is False and shifted)):
        kind, other = ("TSN, which has no temporal shift", "false") if plain else ("TSM", "true")
        message = f"{file.path}: these are weights of a {kind}: give model.shift={other}"
        raise WeightsError(message)
    return not plain if asked is None else asked
