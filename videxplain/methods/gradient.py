"""The gradient of the class score with respect to the input.

Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", ICLR workshop 2014,
https://arxiv.org/abs/1312.6034
"""

from typing import ClassVar

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from videxplain.scores import logit
from videxplain.types import Attribution, Classifier, Clips, Frames, Targets


def input_gradient(classifier: Classifier, frames: Frames, target: Targets) -> Frames:
    """Gradient of each clip's target logit with respect to its own frames."""
    with torch.enable_grad():
        leaf = frames.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(logit(classifier(leaf), target).sum(), leaf)
    return gradient


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Gradient:
    r"""How the target's logit changes with each input element: :math:`\partial S / \partial x`."""

    signed: ClassVar[bool] = True
    complete: ClassVar[bool] = False

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:
        """Attribute the score of ``target`` to the pixels of ``clips``."""
        return Attribution(input_gradient(classifier, clips.frames, target)[None], target)
