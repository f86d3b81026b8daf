"""Whether an explanation depends on what the network has learned.

Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018, https://arxiv.org/abs/1810.03292.
"""

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass
from torch import nn

from videxplain.measures import unknown
from videxplain.metrics.sanity import SanityCheck
from videxplain.types import Attribution, Classifier, Clips, Explainer, Measure

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class _Randomised(SanityCheck):
    """Those that compare with networks whose weights mean nothing.

    A layer is randomised by shuffling each of its parameters, so that they keep their size.

    Attributes:
        stages: Into how many parts the layers are cut, from the output to the input.
        polarity: How signed values become saliency.
        seed: It fixes the shuffling.
    """

    stages: PositiveInt = 4
    seed: int = 0

    higher_is_better: ClassVar[bool | None] = False
    citation: ClassVar[str] = "Adebayo et al., NeurIPS 2018"

    _cumulative: ClassVar[bool] = False

    @property
    def explanations(self) -> int:
        """One a stage."""
        return self.stages

    def __call__(
        self, classifier: Classifier, explainer: Explainer, clips: Clips, attribution: Attribution
    ) -> Measure:
        """Average over the stages, a map that has become flat as 0; NaN without weights."""
        found = []
        parts = _parts(classifier.net, self.stages)
        if not parts:
            return unknown(attribution)
        for number in range(len(parts)):
            first = 0 if self._cumulative else number
            named = [name for part in parts[first : number + 1] for name in part]
            randomised = self._shuffled(classifier, named)
            again = explainer(randomised, clips, attribution.target)
            found.append(self.alike(attribution, again))
        # a network of noise may show nothing, and nothing is like nothing
        flat = attribution.saliency(self.polarity).flatten(2).std(dim=-1) == 0
        likeness = torch.stack(found).nan_to_num(0).mean(dim=0)
        return likeness.masked_fill(flat, float("nan"))

    def _shuffled(self, classifier: Classifier, layers: Sequence[str]) -> Classifier:
        """A copy, in which the parameters of these layers are shuffled."""
        randomised = copy.deepcopy(classifier)
        generator = torch.Generator().manual_seed(self.seed)
        for name in layers:
            for parameter in randomised.net.get_submodule(name).parameters(recurse=False):
                order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
                shuffled = parameter.detach().flatten()[order].reshape(parameter.shape)
                with torch.no_grad():
                    parameter.copy_(shuffled)
        return randomised


@dataclass(frozen=True, config=_STRICT)
class CascadingRandomisation(_Randomised):
    """Likeness to the explanations as layers are randomised, from the output to the input."""

    name: ClassVar[str] = "cascading_randomisation"
    _cumulative: ClassVar[bool] = True


@dataclass(frozen=True, config=_STRICT)
class IndependentRandomisation(_Randomised):
    """Likeness to the explanations as parts of the layers are randomised, each alone."""

    name: ClassVar[str] = "independent_randomisation"


def _parts(net: nn.Module, count: int) -> list[list[str]]:
    """Names of the layers that have parameters, those near the output first, in even parts."""
    layers = [
        name
        for name, layer in net.named_modules()
        if any(True for _ in layer.parameters(recurse=False))
    ][::-1]
    count = min(count, len(layers))
    edges = [round(number * len(layers) / count) for number in range(count + 1)] if count else []
    return [layers[start:stop] for start, stop in pairwise(edges)]
