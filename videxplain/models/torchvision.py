"""R(2+1)D, R3D and MC3 of torchvision, with its weights for Kinetics-400.

Tran et al., "A closer look at spatiotemporal convolutions for action recognition", CVPR 2018,
https://arxiv.org/abs/1711.11248.
"""

from collections.abc import Mapping
from functools import partial
from typing import Literal

from pydantic import PositiveInt, validate_call
from torchvision.models import get_model, get_model_weights

from videxplain.models.build import open_weights, random_net
from videxplain.models.class_names import class_names
from videxplain.models.classifier import VideoClassifier
from videxplain.models.weights import fill
from videxplain.sampling import Rule


@validate_call
def video_resnet(  # noqa: PLR0913
    network: Literal["r2plus1d_18", "r3d_18", "mc3_18"],
    pretrain_dataset: str,
    weights: str,
    weights_dir: str | None,
    checkpoint: Mapping[str, object] | None,
    *,
    frames: PositiveInt,
    sampling: Rule,
    stride: PositiveInt,
) -> VideoClassifier:
    """Build one of the three with its own preprocessing.

    Args:
        network: ``r2plus1d_18``, ``r3d_18`` or ``mc3_18``.
        pretrain_dataset: ``kinetics``.
        weights: ``random``, the name of a known file, or a path.
        weights_dir: Where known files are kept; None is PyTorch's own cache.
        checkpoint: What is known of the file named, None for the others.
        frames: Frames of a clip; 16 in training.
        sampling: Which frames of a video are seen.
        stride: Frames between two samples of ``dense``; 2 of 30 a second in training.

    Raises:
        WeightsError: If the weights cannot be had or do not fit.
    """
    file = open_weights(weights, weights_dir, checkpoint)
    net = random_net(partial(get_model, network, weights=None))
    presets = get_model_weights(network).DEFAULT.transforms()
    return VideoClassifier(
        net,
        frames=frames,
        size=tuple(presets.crop_size * 2)[:2],
        resize=tuple(presets.resize_size),
        mean=presets.mean,
        std=presets.std,
        class_names=class_names(pretrain_dataset),
        sampling=sampling,
        stride=stride,
        cam_layer="layer4",
        weights_sha256=None if file is None else fill(net, file),
    )
