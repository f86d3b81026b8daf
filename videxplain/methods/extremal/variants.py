"""What the network is shown, and what it is rewarded for, as a loss of one number a mask.

``preserve`` shows the clip through the mask and wants its class kept; ``delete`` shows it through
one minus the mask and wants its class gone; ``dual`` wants both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from videxplain.chunks import Chunks
from videxplain.filters import Pyramid, perturb
from videxplain.methods.extremal.masks import Visible
from videxplain.scores import log_complement, log_probability
from videxplain.types import Network, Targets


@dataclass(frozen=True)
class Reward:
    """What the network says of a perturbed batch.

    Attributes:
        loss: Unweighted, to be minimised; one a mask.
        probability: Of the target in the clip shown (in the kept part, where both are shown).
        gradient: Of each mask's loss with respect to that mask.
    """

    loss: Float[Tensor, "a b"]
    probability: Float[Tensor, "a b"]
    gradient: Visible


Losses = Float[Tensor, "masks"]


@dataclass(frozen=True)
class Part:
    """One way of showing a clip through a mask.

    Attributes:
        show: From masks to what of them is kept.
        loss: From the target's logits to the loss of each mask.
    """

    show: Callable[[Tensor], Tensor]
    loss: Callable[[Tensor, Targets], Losses]


def _kept_loss(logits: Tensor, target: Targets) -> Losses:
    return -log_probability(logits, target)


def _deleted_loss(logits: Tensor, target: Targets) -> Losses:
    return -log_complement(logits, target)


_KEPT = Part(lambda masks: masks, _kept_loss)
_DELETED = Part(lambda masks: 1 - masks, _deleted_loss)
VARIANTS: Mapping[str, tuple[Part, ...]] = {
    "preserve": (_KEPT,),
    "delete": (_DELETED,),
    "dual": (_KEPT, _DELETED),
}
"""What is shown, and asked, of each mask; the losses are added."""


def reward(  # noqa: PLR0913
    variant: str,
    network: Network,
    pyramid: Pyramid,
    masks: Visible,
    target: Targets,
    chunks: Chunks,
) -> Reward:
    """Show each clip through its masks and score the answer, in parts.

    Args:
        variant: A name in ``VARIANTS``.
        network: Who is asked.
        pyramid: The perturbed levels of each clip.
        masks: The visible masks.
        target: The class of each clip.
        chunks: Cuts the masks into parts.
    """
    areas, clips = masks.shape[:2]
    flat = masks.detach().flatten(0, 1)
    loss, probability = flat.new_zeros(len(flat)), flat.new_empty(len(flat))
    gradient = torch.zeros_like(flat)
    for part in reversed(VARIANTS[variant]):  # so that the first one's probability is kept

        def run(chosen: slice, part: Part = part) -> None:
            chunk = flat[chosen].clone().requires_grad_()
            clip = torch.arange(chosen.start, chosen.stop, device=flat.device) % clips
            levels = pyramid[chosen] if areas == 1 else pyramid[clip]
            logits = network(perturb(levels, part.show(chunk)[None]))
            losses = part.loss(logits, target[clip])
            (slopes,) = torch.autograd.grad(losses.sum(), chunk)
            seen = log_probability(logits.detach(), target[clip]).exp()
            gradient[chosen] += slopes
            loss[chosen] += losses.detach()
            probability[chosen] = seen

        chunks(len(flat), run)
    shape = (areas, clips)
    return Reward(loss.reshape(shape), probability.reshape(shape), gradient.reshape(masks.shape))
