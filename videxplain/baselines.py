"""What a clip without content looks like."""

from collections.abc import Callable, Mapping
from typing import Literal

import torch

from videxplain.filters import BLUR_SIGMA, gaussian_blur
from videxplain.types import Classifier, Frames

Baseline = Literal["black", "blur", "mean", "zero"]

_BASELINES: Mapping[Baseline, Callable[[Classifier, Frames], Frames]] = {
    "black": lambda classifier, frames: classifier.black(frames),
    "blur": lambda _, frames: gaussian_blur(frames, BLUR_SIGMA),
    "mean": lambda _, frames: frames.mean(dim=(2, 3, 4), keepdim=True).expand_as(frames),
    "zero": lambda _, frames: torch.zeros_like(frames),
}


def make_baseline(kind: Baseline, classifier: Classifier, frames: Frames) -> Frames:
    """The "nothing" input that belongs to each clip.

    Args:
        kind: ``black`` (in the network's colours), ``blur`` (each frame, 20 pixels wide), ``mean``
            (the clip's own mean colour), or ``zero`` (the mean colour of the training clips).
        classifier: Knows what black is.
        frames: The clips.
    """
    return _BASELINES[kind](classifier, frames)
