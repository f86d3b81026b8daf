"""Whether an attribution finds the evidence, where clips say what it is."""

from typing import Annotated, ClassVar

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from videxplain.filters import largest
from videxplain.types import Attribution, Classifier, Clips, Measure, Polarity


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class TopPrecision:
    """Share of the most salient voxels that lie inside the evidence, over space and time.

    Attributes:
        share: How many voxels count as most salient, as a share of the clip; of equal voxels at
            the limit, each counts in part.
        polarity: How signed values become saliency.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 0.05
    polarity: Polarity = "positive"

    name: ClassVar[str] = "top_precision"
    higher_is_better: ClassVar[bool | None] = True

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:  # noqa: ARG002
        """Compare with ``clips.truth``; NaN where it is not known."""
        if clips.truth is None:
            shape = attribution.values.shape[:2]
            return torch.full(shape, float("nan"), device=attribution.values.device)
        saliency = attribution.saliency(self.polarity).flatten(2)
        count = max(1, round(self.share * saliency.shape[-1]))
        chosen = largest(saliency, count)
        return (chosen * clips.truth.flatten(1)).sum(dim=-1) / count
