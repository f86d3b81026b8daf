"""A network of the user's own, named in the configuration."""

from collections.abc import Sequence

from pydantic import PositiveInt, validate_call
from torch import nn

from videxplain.errors import ConfigError
from videxplain.models.classifier import Layout, VideoClassifier
from videxplain.models.preprocessing import Size
from videxplain.models.weights import fill, read_weights
from videxplain.paths import given_path
from videxplain.sampling import Rule


@validate_call
def custom(  # noqa: PLR0913
    net: object,
    weights: str,
    *,
    frames: PositiveInt,
    size: Size,
    resize: PositiveInt | Size | None,
    mean: Sequence[float],
    std: Sequence[float],
    class_names: Sequence[str] | None,
    sampling: Rule,
    stride: PositiveInt,
    layout: Layout,
    cam_layer: str | None,
    cam_layout: str,
) -> VideoClassifier:
    """Wrap what the user's factory built.

    Args:
        net: Maps clips to logits.
        weights: Path of a file of its ``state_dict``; ``auto`` and ``random`` keep what the
            factory made.
        frames: Frames of a clip.
        size: Height and width of a clip.
        resize: Size before the centre crop: the shorter side, [height, width], or null for the
            smallest size that covers ``size``.
        mean: Mean colour of the training clips, RGB in [0, 1].
        std: Standard deviation of the same.
        class_names: One a logit, or null.
        sampling: Which frames of a video are seen.
        stride: Frames between two samples of ``dense``.
        layout: ``b c t h w`` or ``b t c h w``: the axes of the network's input.
        cam_layer: Layer for Grad-CAM, or null.
        cam_layout: Axes of its output.

    Raises:
        ConfigError: If ``net`` is no network.
    """
    if not isinstance(net, nn.Module):
        message = (
            f"model.net is a {type(net).__name__}: name a function that returns a torch.nn.Module, "
            "with model.net._target_=<module>.<function> and plugins=[<module>]"
        )
        raise ConfigError(message)
    keep = weights in ("auto", "random")
    digest = None if keep else fill(net, read_weights(given_path(weights)))
    return VideoClassifier(
        net,
        frames=frames,
        size=size,
        resize=resize,
        mean=mean,
        std=std,
        class_names=class_names,
        sampling=sampling,
        stride=stride,
        layout=layout,
        cam_layer=cam_layer,
        cam_layout=cam_layout,
        weights_sha256=digest,
    )
