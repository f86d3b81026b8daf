"""Attributions that know nothing but where people point cameras."""

from typing import ClassVar

import torch
from pydantic import ConfigDict, PositiveFloat
from pydantic.dataclasses import dataclass

from videxplain.types import Attribution, Classifier, Clips, Cost, Targets


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Center:
    r"""A bell around the middle of the clip: :math:`\exp(-(t^2 + y^2 + x^2) / (2 \sigma^2))`.

    Attributes:
        spread: :math:`\sigma`, as a share of the clip's length, height and width.
    """

    spread: PositiveFloat = 0.25

    signed: ClassVar[bool] = False
    complete: ClassVar[bool] = False
    deterministic: ClassVar[bool] = True
    citation: ClassVar[str] = "none: a floor for comparisons"

    @property
    def cost(self) -> Cost:
        """The network is not asked."""
        return Cost(0, 0)

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:  # noqa: ARG002
        """Give every clip the same bell."""
        frames = clips.frames
        axes = [
            ((torch.arange(size, device=frames.device) + 0.5) / size - 0.5) / self.spread
            for size in frames.shape[2:]
        ]
        t, y, x = torch.meshgrid(*axes, indexing="ij")
        bell = torch.exp(-(t**2 + y**2 + x**2) / 2).to(frames)
        return Attribution(bell.expand(1, len(clips), 1, *bell.shape).clone(), target, signed=False)
