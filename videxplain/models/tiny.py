"""Two small networks that name the direction of motion in ``shapes`` clips.

They stand for the two families of the paper: `TinyR2Plus1D` convolves over time as R(2+1)D does,
`TinyTSM` folds frames into the batch and shifts channels in time as TSM does. Both see 16 frames of
64 x 64 pixels, hold about 150,000 parameters, and are reproduced by ``scripts/train_tiny.py``.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float
from pydantic import validate_call
from torch import Tensor, nn

from videxplain.models.build import open_weights, random_net
from videxplain.models.classifier import Layout, VideoClassifier
from videxplain.models.tsm import shift_in_time
from videxplain.models.weights import fill
from videxplain.types import Logits

CLASS_NAMES = ("right", "up right", "up", "up left", "left", "down left", "down", "down right")
"""Direction in which the object moves."""
FRAMES = 16
SIZE = 64
MEAN = (0.5, 0.5, 0.5)
STD = (0.25, 0.25, 0.25)
_WEIGHTS = Path(__file__).parent / "weights"
_WIDTHS = (16, 32, 64)


class _ShiftBlock(nn.Module):
    """Residual block of two 2-D convolutions, each fed with shifted channels."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(given, made, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(made)
        self.conv2 = nn.Conv2d(made, made, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(made)
        self.skip = nn.Conv2d(given, made, 1, stride=2, bias=False)

    def forward(self, features: Tensor, frames: int) -> Tensor:
        """Map ``(b t) c h w`` to half the size and ``made`` channels."""
        inner = torch.relu(self.bn1(self.conv1(_shift_folded(features, frames))))
        inner = self.bn2(self.conv2(_shift_folded(inner, frames)))
        return torch.relu(inner + self.skip(features))


def _shift_folded(features: Tensor, frames: int) -> Tensor:
    unfolded = rearrange(features, "(b t) c h w -> b t c h w", t=frames)
    return rearrange(shift_in_time(unfolded), "b t c h w -> (b t) c h w")


class TinyTSM(nn.Module):
    """Frames in the batch, temporal shift in the residual branches, mean of the frames' logits."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, _WIDTHS[0], 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(_WIDTHS[0]),
            nn.ReLU(),
        )
        self.layer1 = _ShiftBlock(_WIDTHS[0], _WIDTHS[1])
        self.layer2 = _ShiftBlock(_WIDTHS[1], _WIDTHS[2])
        self.fc = nn.Linear(_WIDTHS[2], num_classes)

    def forward(self, frames: Float[Tensor, "b t c h w"]) -> Logits:
        """Class scores; note the layout, frames before colours."""
        batch, length = frames.shape[:2]
        features = self.stem(frames.flatten(0, 1))
        features = self.layer2(self.layer1(features, length), length)
        logits: Tensor = (
            self.fc(features.mean(dim=(2, 3))).unflatten(0, (batch, length)).mean(dim=1)
        )
        return logits


class _FactorisedBlock(nn.Module):
    """Residual block whose convolutions are split into space, then time."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.space = nn.Conv3d(given, made, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False)
        self.bn1 = nn.BatchNorm3d(made)
        self.time = nn.Conv3d(made, made, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.bn2 = nn.BatchNorm3d(made)
        self.mix = nn.Conv3d(made, made, (1, 3, 3), padding=(0, 1, 1), bias=False)
        self.bn3 = nn.BatchNorm3d(made)
        self.skip = nn.Conv3d(given, made, 1, (1, 2, 2), bias=False)

    def forward(self, features: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b made t h2 w2"]:
        """Halve the size, keep the length."""
        inner = torch.relu(self.bn1(self.space(features)))
        inner = torch.relu(self.bn2(self.time(inner)))
        inner = self.bn3(self.mix(inner))
        return torch.relu(inner + self.skip(features))


class TinyR2Plus1D(nn.Module):
    """(2+1)-D convolutions, mean over space and time.

    Tran et al., "A closer look at spatiotemporal convolutions for action recognition", CVPR 2018.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, _WIDTHS[0], (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False),
            nn.BatchNorm3d(_WIDTHS[0]),
            nn.ReLU(),
        )
        self.layer1 = _FactorisedBlock(_WIDTHS[0], _WIDTHS[1])
        self.layer2 = _FactorisedBlock(_WIDTHS[1], _WIDTHS[2])
        self.fc = nn.Linear(_WIDTHS[2], num_classes)

    def forward(self, frames: Float[Tensor, "b c t h w"]) -> Logits:
        """Class scores."""
        features = self.layer2(self.layer1(self.stem(frames)))
        logits: Tensor = self.fc(features.mean(dim=(2, 3, 4)))
        return logits


@validate_call
def tiny(network: Literal["tiny_tsm", "tiny_r2plus1d"], weights: str) -> VideoClassifier:
    """Build one of the two with the weights that come with the package.

    Args:
        network: ``tiny_tsm`` or ``tiny_r2plus1d``.
        weights: ``auto``, ``random``, or the path of a file.

    Raises:
        WeightsError: If the weights do not fit.
    """
    classes, layout, cam_layout = _NETWORKS[network]
    net = random_net(partial(classes, len(CLASS_NAMES)))
    own = str(_WEIGHTS / f"{network}.safetensors")
    file = open_weights(own if weights == "auto" else weights)
    return VideoClassifier(
        net,
        frames=FRAMES,
        size=(SIZE, SIZE),
        mean=MEAN,
        std=STD,
        class_names=CLASS_NAMES,
        layout=layout,
        cam_layer="layer2",
        cam_layout=cam_layout,
        weights_sha256=None if file is None else fill(net, file),
    )


_NETWORKS: Mapping[str, tuple[type[nn.Module], Layout, str]] = {
    "tiny_tsm": (TinyTSM, "b t c h w", "(b t) c h w"),
    "tiny_r2plus1d": (TinyR2Plus1D, "b c t h w", "b c t h w"),
}
