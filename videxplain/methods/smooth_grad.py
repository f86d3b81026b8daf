"""Gradients averaged over noisy copies of the clip.

Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017,
https://arxiv.org/abs/1706.03825; squares: Hooker et al., "A benchmark for interpretability methods
in deep neural networks", NeurIPS 2019; variance: Adebayo et al., "Local explanation methods for
deep neural networks lack sensitivity to parameter values", ICLR workshop 2018.
"""

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import ConfigDict, NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from videxplain.chunks import Chunks, accelerated
from videxplain.methods.gradient import input_gradient
from videxplain.scores import ScoreName
from videxplain.seeding import clip_generator
from videxplain.types import Attribution, Classifier, Clips, Cost, Targets


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SmoothGrad:
    r"""A statistic of the gradients :math:`g_k = \nabla S(x + \epsilon_k)` of noisy copies.

    The noise :math:`\epsilon` is normal with a standard deviation of ``spread`` times the range of
    the clip's values.

    Attributes:
        samples: Noisy copies a clip.
        spread: Standard deviation of the noise, as a share of the range.
        statistic: ``mean`` of g, mean ``square`` of g, or ``variance`` of g.
        score: ``logit``, ``probability`` or ``log_probability`` of the target.
        seed: Together with a clip's name it fixes the noise.
        batch_size: Copies that the network sees at once.
    """

    samples: PositiveInt = 25
    spread: NonNegativeFloat = 0.15
    statistic: Literal["mean", "square", "variance"] = "mean"
    score: ScoreName = "logit"
    seed: int = 0
    batch_size: PositiveInt = 2

    signed: ClassVar[bool] = True
    complete: ClassVar[bool] = False
    deterministic: ClassVar[bool] = False
    citation: ClassVar[str] = "Smilkov et al., 2017, arXiv 1706.03825"

    @property
    def cost(self) -> Cost:
        """One pass in each direction a copy."""
        return Cost(self.samples, self.samples)

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:
        """Attribute the score of ``target`` to the pixels of ``clips``."""
        # summed on the CPU, in float64: small differences of squares, and no chunk fails halfway
        total = torch.zeros(clips.frames.shape, dtype=torch.float64)
        squares = torch.zeros_like(total)

        network = accelerated(classifier)

        def run(part: slice) -> None:
            copies = [divmod(copy, self.samples) for copy in range(part.start, part.stop)]
            noisy = torch.stack([self._noisy(clips, clip, sample) for clip, sample in copies])
            chosen = target[[clip for clip, _ in copies]]
            gradients = input_gradient(network, noisy, chosen, self.score).cpu().double()
            for (clip, _), gradient in zip(copies, gradients, strict=True):
                total[clip] += gradient
                squares[clip] += gradient.square()

        Chunks(self.batch_size)(len(clips) * self.samples, run)
        mean, square = total / self.samples, squares / self.samples
        values = {
            "mean": mean,
            "square": square,
            "variance": (square - mean.square()).clamp_min(0),
        }[self.statistic]
        signed = self.statistic == "mean"
        return Attribution(values[None].to(clips.frames), target, signed=signed)

    def _noisy(self, clips: Clips, clip: int, sample: int) -> Float[Tensor, "c t h w"]:
        """One copy of one clip; it depends on nothing but the seed, the name and its number."""
        frames = clips.frames[clip]
        generator = clip_generator(self.seed, f"{clips.names[clip]}/{sample}")
        noise = torch.randn(frames.shape, generator=generator).to(frames)
        return frames + self.spread * (frames.max() - frames.min()) * noise
