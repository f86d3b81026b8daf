"""Gradients averaged on the way from a baseline to the clip.

Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks", ICML 2017,
https://arxiv.org/abs/1703.01365
"""

from typing import ClassVar, Literal

import torch
from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass

from videxplain.baselines import Baseline, make_baseline
from videxplain.chunks import Chunks, accelerated
from videxplain.methods.gradient import input_gradient
from videxplain.scores import ScoreName
from videxplain.types import Attribution, Classifier, Clips, Cost, Targets


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class IntegratedGradients:
    r"""Shares that add up to the score's rise over the baseline, the better the more steps.

    .. math:: (x - x') \frac{1}{n} \sum_k \nabla S(x' + \alpha_k (x - x'))

    25 steps leave about 1 % of a large rise, 100 less than that on the networks of the tests.

    Attributes:
        steps: :math:`n`, at least 1.
        rule: ``midpoint``, :math:`\alpha_k = (k + 1/2) / n`, or ``left``, :math:`k / n`, as in the
            published code; k = 0 .. n - 1.
        baseline: :math:`x'`: ``black``, ``blur``, ``mean`` or ``zero``.
        score: ``logit``, ``probability`` or ``log_probability`` of the target.
        batch_size: Points that the network sees at once.
    """

    steps: PositiveInt = 25
    rule: Literal["midpoint", "left"] = "midpoint"
    baseline: Baseline = "black"
    score: ScoreName = "logit"
    batch_size: PositiveInt = 2

    signed: ClassVar[bool] = True
    complete: ClassVar[bool] = True
    deterministic: ClassVar[bool] = True
    citation: ClassVar[str] = "Sundararajan et al., ICML 2017, arXiv 1703.01365"

    @property
    def cost(self) -> Cost:
        """One pass in each direction a step."""
        return Cost(self.steps, self.steps)

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:
        """Attribute the score of ``target`` to the pixels of ``clips``."""
        start = make_baseline(self.baseline, classifier, clips.frames)
        way = clips.frames - start
        first = 0.5 if self.rule == "midpoint" else 0.0
        shares = (torch.arange(self.steps).to(way) + first) / self.steps
        total = torch.zeros_like(way)

        network = accelerated(classifier)

        def run(part: slice) -> None:
            points = torch.arange(part.start, part.stop, device=way.device)
            clip, step = points // self.steps, points % self.steps
            frames = start[clip] + shares[step][:, None, None, None, None] * way[clip]
            gradients = input_gradient(network, frames, target[clip], self.score)
            for index, gradient in zip(clip.tolist(), gradients, strict=True):
                total[index] += gradient

        Chunks(self.batch_size)(len(clips) * self.steps, run)
        return Attribution((way * total / self.steps)[None], target)
