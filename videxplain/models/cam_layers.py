"""Which layers of a network can serve Grad-CAM."""

import torch
from einops import EinopsError, rearrange

from videxplain.hooks import output_shapes
from videxplain.models.classifier import VideoClassifier

Shape = tuple[int, int, int, int]
"""Channels, frames, rows, columns."""


def cam_layers(classifier: VideoClassifier) -> dict[str, Shape]:
    """The outermost layers whose output has positions in space, by name.

    What lies inside one of them can serve too; its output is as large or larger.

    Args:
        classifier: Runs once, on a blank clip.

    Returns:
        Shapes ``c t h w`` for one clip, in the order of the network.
    """
    with torch.no_grad(), output_shapes(classifier.net) as given:
        classifier(classifier.blank_clip())
    shapes = {name: _unfolded(classifier, shape) for name, shape in given.items()}
    found = {name: shape for name, shape in shapes.items() if shape is not None}
    inner = {name for name in found for outer in found if name.startswith(f"{outer}.")}
    order = [name for name, _ in classifier.net.named_modules()]
    return {name: found[name] for name in order if name in found and name not in inner}


def _unfolded(classifier: VideoClassifier, shape: tuple[int, ...]) -> Shape | None:
    """The shape as ``c t h w``, None where it has no more than one position in space."""
    try:
        folded = torch.empty(shape, device="meta")
        _, *unfolded = rearrange(folded, f"{classifier.cam_layout} -> b c t h w", b=1).shape
    except EinopsError:
        return None
    channels, frames, height, width = unfolded
    return (channels, frames, height, width) if height * width > 1 else None
