"""What an attribution must be by its own definition.

Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks", ICML 2017,
https://arxiv.org/abs/1703.01365.
"""

from typing import ClassVar

import torch
from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass

from videxplain.baselines import Baseline, make_baseline
from videxplain.chunks import logits_of
from videxplain.devices import in_float64
from videxplain.measures import Category, unknown
from videxplain.scores import SCORES, ScoreName
from videxplain.types import Attribution, Classifier, Clips, Cost, Frames, Measure, Scores, Targets

_COLOURS = 3
_ROUNDING = 16
"""Units in the last place that two scores of the same clip may differ by."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Completeness:
    r"""How far the values are from adding up to the score's rise over the baseline, as a share.

    :math:`|\sum A - (S(x) - S(x'))| / |S(x) - S(x')|`: 0 is complete.

    Attributes:
        baseline: ``black``, ``zero``, ``blur`` or ``mean``: that of the method.
        score: ``logit``, ``probability`` or ``log_probability`` of the target: that of the method.
        batch_size: Clips that the network sees at once.
    """

    baseline: Baseline = "black"
    score: ScoreName = "logit"
    batch_size: PositiveInt = 2

    name: ClassVar[str] = "completeness"
    higher_is_better: ClassVar[bool | None] = False
    category: ClassVar[Category] = "axiom"
    citation: ClassVar[str] = "Sundararajan et al., ICML 2017"

    @property
    def cost(self) -> Cost:
        """The clip and its baseline."""
        return Cost(2, 0)

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:
        """NaN for masks and maps, no shares of a score, and where there is no rise to share."""
        values = attribution.values
        if attribution.areas is not None or values.shape[2] != _COLOURS or not attribution.signed:
            return unknown(attribution)
        nothing = make_baseline(self.baseline, classifier, clips.frames)
        whole, none = (
            self._scores(classifier, frames, attribution.target)
            for frames in (clips.frames, nothing)
        )
        total = in_float64(values).sum(dim=(2, 3, 4, 5))
        rise = whole - none
        least = (
            _ROUNDING * torch.finfo(clips.frames.dtype).eps * torch.maximum(whole.abs(), none.abs())
        )
        share = (total - rise).abs() / rise.abs()
        return share.masked_fill(rise.abs() <= least, float("nan")).to(values)

    def _scores(self, classifier: Classifier, frames: Frames, target: Targets) -> Scores:
        logits = in_float64(logits_of(classifier, frames, self.batch_size))
        return SCORES[self.score](logits, target.to(logits.device))
