"""What the network is shown, and what it is rewarded for, as a loss of one number a mask.

``preserve`` shows the clip through the mask and wants its class kept; ``delete`` shows it through
one minus the mask and wants its class gone; ``dual`` wants both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from videxplain.filters import Pyramid, perturb
from videxplain.methods.extremal.masks import Visible
from videxplain.scores import log_complement, log_probability
from videxplain.types import Network, Targets

Losses = Float[Tensor, "masks"]


@dataclass(frozen=True)
class Reward:
    """What the network says of a perturbed batch.

    Attributes:
        loss: Unweighted, to be minimised; one a mask.
        probability: Of the target in the clip shown (in the kept part, where both are shown).
        gradient: Of each mask's loss with respect to that mask.
    """

    loss: Losses
    probability: Losses
    gradient: Visible


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


def reward(
    variant: str,
    network: Network,
    levels: Float[Tensor, "masks l c t h w"],
    masks: Visible,
    target: Int[Tensor, "masks"],
) -> Reward:
    """Show clips through masks and score the answers.

    Args:
        variant: A name in ``VARIANTS``.
        network: Who is asked.
        levels: The perturbed levels of each mask's clip.
        masks: The visible masks.
        target: The class of each mask's clip.
    """
    loss, gradient = masks.new_zeros(len(masks)), torch.zeros_like(masks)
    for part in reversed(VARIANTS[variant]):  # so that the first one's probability is kept
        leaf = masks.detach().clone().requires_grad_()
        logits = network(perturb(levels, part.show(leaf)[None]))
        losses = part.loss(logits, target)
        (slopes,) = torch.autograd.grad(losses.sum(), leaf)
        probability = log_probability(logits.detach(), target).exp()
        gradient, loss = gradient + slopes, loss + losses.detach()
    return Reward(loss, probability.to(loss), gradient)


def levels_of(pyramid: Pyramid, clips: Sequence[int]) -> Float[Tensor, "masks l c t h w"]:
    """The levels of each of the clips, not copied where they lie in a row or are all the same."""
    first = clips[0]
    if list(clips) == list(range(first, first + len(clips))):
        return pyramid[first : first + len(clips)]
    if set(clips) == {first}:
        return pyramid[first : first + 1].expand(len(clips), *pyramid.shape[1:])
    return pyramid[list(clips)]
