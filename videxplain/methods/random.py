"""Attributions that know nothing: noise, the floor of every comparison."""

from typing import ClassVar

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from videxplain.seeding import clip_generator
from videxplain.types import Attribution, Classifier, Clips, Cost, Targets


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Random:
    """Uniform noise in [0, 1), one number a voxel.

    Attributes:
        seed: Together with a clip's name it fixes the noise.
    """

    seed: int = 0

    signed: ClassVar[bool] = False
    complete: ClassVar[bool] = False
    deterministic: ClassVar[bool] = False
    citation: ClassVar[str] = "none: a floor for comparisons"

    @property
    def cost(self) -> Cost:
        """The network is not asked."""
        return Cost(0, 0)

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:  # noqa: ARG002
        """Draw noise for each clip."""
        shape = clips.frames.shape[2:]
        noise = [
            torch.rand(shape, generator=clip_generator(self.seed, name)) for name in clips.names
        ]
        return Attribution(torch.stack(noise)[None, :, None].to(clips.frames), target, signed=False)
