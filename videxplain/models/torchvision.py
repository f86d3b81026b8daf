"""R(2+1)D, R3D and MC3 of torchvision, with its weights for Kinetics-400.

Tran et al., "A closer look at spatiotemporal convolutions for action recognition", CVPR 2018,
https://arxiv.org/abs/1711.11248.
"""

from functools import partial

from torchvision.models import get_model, get_model_weights

from videxplain.models.build import fill, random_net
from videxplain.models.classifier import VideoClassifier
from videxplain.models.weights import cached_file
from videxplain.sampling import Rule


def video_resnet(
    network: str, weights: str, weights_dir: str | None, frames: int, sampling: Rule
) -> VideoClassifier:
    """Build one of the three with its own preprocessing.

    Args:
        network: ``r2plus1d_18``, ``r3d_18`` or ``mc3_18``.
        weights: ``auto``, ``random``, or the path of a file.
        weights_dir: Where published files are kept; None is PyTorch's own cache.
        frames: Frames of a clip; 16 in training.
        sampling: Which frames of a video are seen.

    Raises:
        WeightsError: If the weights cannot be had or do not fit.
    """
    published = get_model_weights(network).DEFAULT
    net = random_net(partial(get_model, network, weights=None))
    digest = fill(net, weights, lambda: cached_file(published.url, weights_dir))
    presets = published.transforms()
    return VideoClassifier(
        net,
        frames=frames,
        size=tuple(presets.crop_size * 2)[:2],
        resize=tuple(presets.resize_size),
        mean=presets.mean,
        std=presets.std,
        class_names=published.meta["categories"],
        sampling=sampling,
        cam_layer="layer4",
        weights_sha256=digest,
    )
