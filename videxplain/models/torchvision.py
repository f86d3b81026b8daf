"""The networks of torchvision for video, with its weights for Kinetics-400.

- R(2+1)D, R3D, MC3: Tran et al., "A closer look at spatiotemporal convolutions for action
  recognition", CVPR 2018, https://arxiv.org/abs/1711.11248
- S3D: Xie et al., "Rethinking spatiotemporal feature learning: speed-accuracy trade-offs in video
  classification", ECCV 2018, https://arxiv.org/abs/1712.04851
- MViT: Fan et al., "Multiscale vision transformers", ICCV 2021, https://arxiv.org/abs/2104.11227;
  Li et al., "MViTv2: improved multiscale vision transformers for classification and detection",
  CVPR 2022, https://arxiv.org/abs/2112.01526
- Video Swin: Liu et al., "Video Swin transformer", CVPR 2022, https://arxiv.org/abs/2106.13230
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from pydantic import PositiveInt, validate_call
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights

from videxplain.errors import ConfigError
from videxplain.models.build import open_weights, random_net
from videxplain.models.class_names import class_names
from videxplain.models.classifier import VideoClassifier
from videxplain.models.extents import Extent, described, is_below, refuse_small
from videxplain.models.mvit import TokenBlock
from videxplain.models.weights import fill
from videxplain.sampling import Rule
from videxplain.types import Frames, Logits

Name = Literal[
    "r2plus1d_18",
    "r3d_18",
    "mc3_18",
    "s3d",
    "mvit_v1_b",
    "mvit_v2_s",
    "swin3d_t",
    "swin3d_s",
    "swin3d_b",
]
"""What torchvision calls a network."""


@dataclass(frozen=True)
class Kind:
    """What torchvision does not say of a network.

    Attributes:
        cam_layer: The last layer with positions in space whose gradient is not zero there.
        cam_layout: Axes of its output.
        least: The smallest clip that the network takes.
        only: The one clip that it takes, where it takes no other.
        parts: What torchvision shall build it of, where that is not its own.
    """

    cam_layer: str
    cam_layout: str = "b c t h w"
    least: Extent = (1, 1, 1)
    only: Extent | None = None
    parts: Mapping[str, Any] = field(default_factory=dict)


_RESNET = Kind("layer4")
_S3D = Kind("features", least=(13, 209, 209))  # less leaves less than the last pooling, 2 x 7 x 7
# The logits are a linear function of the mean over all positions of this norm's output.
_SWIN = Kind("norm", cam_layout="b t h w c")
# The logits are a function of the class token alone. In the last block it attends to the other
# tokens' norm1 once more; what becomes of those themselves is not read, and has no gradient.
_MVIT = Kind("blocks.15.norm1.patches", only=(16, 224, 224), parts={"block": TokenBlock})
KINDS: Mapping[Name, Kind] = {
    "r2plus1d_18": _RESNET,
    "r3d_18": _RESNET,
    "mc3_18": _RESNET,
    "s3d": _S3D,
    "mvit_v1_b": _MVIT,
    "mvit_v2_s": _MVIT,
    "swin3d_t": _SWIN,
    "swin3d_s": _SWIN,
    "swin3d_b": _SWIN,
}


class TorchvisionClassifier(VideoClassifier):
    """One that says in a sentence which clips its network cannot take.

    Args:
        network: A name of `KINDS`.
        net: The network.
        settings: All else that a `VideoClassifier` takes.

    Raises:
        ConfigError: As a `VideoClassifier`; when called, for such clips too.
    """

    def __init__(self, network: Name, net: nn.Module, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(net, **settings)
        self.network = network

    def _ask(self, net: Callable[[Tensor], Tensor], frames: Frames) -> Logits:
        def checked(clips: Tensor) -> Tensor:
            check_clip(self.network, *clips.shape[2:])
            return net(clips)

        return super()._ask(checked, frames)


@validate_call
def torchvision_net(  # noqa: PLR0913
    network: Name,
    pretrain_dataset: str,
    weights: str,
    weights_dir: str | None,
    checkpoint: Mapping[str, object] | None,
    *,
    frames: PositiveInt,
    size: tuple[PositiveInt, PositiveInt],
    resize: PositiveInt | tuple[PositiveInt, PositiveInt],
    sampling: Rule,
    stride: PositiveInt,
) -> VideoClassifier:
    """Build one of the nine with the preprocessing of its training.

    Args:
        network: A name of `KINDS`.
        pretrain_dataset: ``kinetics``.
        weights: ``random``, the name of a known file, or a path.
        weights_dir: Where known files are kept; None is PyTorch's own cache.
        checkpoint: What is known of the file named, None for the others.
        frames: Frames of a clip; in training 128 for S3D, 32 for Swin, 16 for the others.
        size: Height and width of a clip; in training 112 for R(2+1)D, R3D and MC3, else 224.
        resize: Before the centre crop, the shorter side or (height, width).
        sampling: Which frames of a video are seen.
        stride: Frames between two samples of ``dense``; of 30 a second in training 4 for MViT, 2
            for the others.

    Raises:
        ConfigError: If the network cannot take such a clip.
        WeightsError: If the weights cannot be had or do not fit.
    """
    check_clip(network, frames, *size)
    kind = KINDS[network]
    file = open_weights(weights, weights_dir, checkpoint)
    net = random_net(partial(get_model, network, weights=None, **kind.parts))
    presets = get_model_weights(network).DEFAULT.transforms()
    return TorchvisionClassifier(
        network,
        net,
        frames=frames,
        size=size,
        resize=resize,
        mean=presets.mean,
        std=presets.std,
        class_names=class_names(pretrain_dataset),
        sampling=sampling,
        stride=stride,
        cam_layer=kind.cam_layer,
        cam_layout=kind.cam_layout,
        weights_sha256=None if file is None else fill(net, file),
    )


def check_clip(network: Name, *extent: int) -> None:
    """Refuse a clip that a network cannot take, which PyTorch would tell in words of its own.

    Args:
        network: A name of `KINDS`.
        extent: Frames, rows, columns.

    Raises:
        ConfigError: If it cannot.
    """
    kind = KINDS[network]
    if kind.only is not None and extent != kind.only:
        message = (
            f"{network} takes {described(kind.only)} and no others, for its weights hold a "
            f"position for each patch of these: not {described(extent)}; leave frames and size as "
            "they are"
        )
        raise ConfigError(message)
    if is_below(extent, kind.least):
        refuse_small(network, extent, kind.least)
