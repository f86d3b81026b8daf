"""The gradient of the class score with respect to the input, alone and times the input.

Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", ICLR workshop 2014,
https://arxiv.org/abs/1312.6034; Shrikumar et al., "Not just a black box", 2016,
https://arxiv.org/abs/1605.01713
"""

from typing import ClassVar

import torch
from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass

from videxplain.chunks import Chunks
from videxplain.scores import SCORES, ScoreName
from videxplain.types import Attribution, Classifier, Clips, Cost, Frames, Network, Targets

_STRICT = ConfigDict(extra="forbid")


def input_gradient(network: Network, frames: Frames, target: Targets, score: ScoreName) -> Frames:
    """Gradient of each clip's score with respect to its own frames, all clips at once."""
    with torch.enable_grad():
        leaf = frames.detach().requires_grad_()
        scores = SCORES[score](network(leaf), target)
        (gradient,) = torch.autograd.grad(scores.sum(), leaf)
    return gradient


def _gradients(
    classifier: Classifier, clips: Clips, target: Targets, score: ScoreName, batch_size: int
) -> Frames:
    """The same, ``batch_size`` clips at a time."""
    gradients = torch.empty_like(clips.frames)

    def run(part: slice) -> None:
        gradients[part] = input_gradient(classifier, clips.frames[part], target[part], score)

    Chunks(batch_size)(len(clips), run)
    return gradients


@dataclass(frozen=True, config=_STRICT)
class Gradient:
    r"""How the target's score changes with each input element: :math:`\partial S / \partial x`.

    Attributes:
        score: ``logit``, ``probability`` or ``log_probability`` of the target.
        batch_size: Clips that the network sees at once.
    """

    score: ScoreName = "logit"
    batch_size: PositiveInt = 2

    signed: ClassVar[bool] = True
    complete: ClassVar[bool] = False
    deterministic: ClassVar[bool] = True
    citation: ClassVar[str] = "Simonyan et al., ICLR workshop 2014, arXiv 1312.6034"

    @property
    def cost(self) -> Cost:
        """One pass in each direction."""
        return Cost(1, 1)

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:
        """Attribute the score of ``target`` to the pixels of ``clips``."""
        gradients = _gradients(classifier, clips, target, self.score, self.batch_size)
        return Attribution(gradients[None], target)


@dataclass(frozen=True, config=_STRICT)
class GradientTimesInput:
    r"""First-order share of each input element in the score: :math:`x\, \partial S / \partial x`.

    ``x`` is in the network's normalised colours, so that the mean colour of the training clips
    counts as nothing.

    Attributes:
        score: ``logit``, ``probability`` or ``log_probability`` of the target.
        batch_size: Clips that the network sees at once.
    """

    score: ScoreName = "logit"
    batch_size: PositiveInt = 2

    signed: ClassVar[bool] = True
    complete: ClassVar[bool] = False
    deterministic: ClassVar[bool] = True
    citation: ClassVar[str] = "Shrikumar et al., 2016, arXiv 1605.01713"

    @property
    def cost(self) -> Cost:
        """One pass in each direction."""
        return Cost(1, 1)

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:
        """Attribute the score of ``target`` to the pixels of ``clips``."""
        gradients = _gradients(classifier, clips, target, self.score, self.batch_size)
        return Attribution((clips.frames * gradients)[None], target)
