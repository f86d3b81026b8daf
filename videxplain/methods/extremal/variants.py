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
from videxplain.types import Classifier, Targets


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


Shown = Callable[[Visible], Float[Tensor, "n b t h w"]]
Losses = Float[Tensor, "masks"]
Loss = Callable[[Tensor, Targets], tuple[Losses, Losses]]
"""From logits and targets of all that was shown to the loss and the probability of each mask."""


def _preserve(logits: Tensor, target: Targets) -> tuple[Losses, Losses]:
    log_p = log_probability(logits, target)
    return -log_p, log_p.detach().exp()


def _delete(logits: Tensor, target: Targets) -> tuple[Losses, Losses]:
    p = log_probability(logits.detach(), target).exp()
    return -log_complement(logits, target), p


def _dual(logits: Tensor, target: Targets) -> tuple[Losses, Losses]:
    kept, deleted = logits.chunk(2)
    first, second = target.chunk(2)
    loss, p = _preserve(kept, first)
    return loss + _delete(deleted, second)[0], p


VARIANTS: Mapping[str, tuple[Shown, Loss]] = {
    "preserve": (lambda masks: masks, _preserve),
    "delete": (lambda masks: 1 - masks, _delete),
    "dual": (lambda masks: torch.cat([masks, 1 - masks]), _dual),
}

PARTS: Mapping[str, int] = {"preserve": 1, "delete": 1, "dual": 2}
"""Clips that the network sees for each mask."""


def reward(  # noqa: PLR0913
    variant: str,
    classifier: Classifier,
    pyramid: Pyramid,
    masks: Visible,
    target: Targets,
    chunks: Chunks,
) -> Reward:
    """Show each clip through its masks and score the answer, in parts.

    Args:
        variant: A name in ``VARIANTS``.
        classifier: Who is asked.
        pyramid: The perturbed levels of each clip.
        masks: The visible masks.
        target: The class of each clip.
        chunks: Cuts the masks into parts.
    """
    show, score = VARIANTS[variant]
    areas, clips = masks.shape[:2]
    flat = masks.detach().flatten(0, 1)
    loss, probability = flat.new_empty(2, len(flat))
    gradient = torch.empty_like(flat)

    def run(part: slice) -> None:
        chunk = flat[part].clone().requires_grad_()
        clip = torch.arange(part.start, part.stop, device=flat.device) % clips
        shown = show(chunk[None])
        levels = pyramid[part] if areas == 1 else pyramid[clip]
        logits = classifier(perturb(levels, shown))
        losses, probabilities = score(logits, target[clip].repeat(len(shown)))
        (gradient[part],) = torch.autograd.grad(losses.sum(), chunk)
        loss[part], probability[part] = losses.detach(), probabilities

    chunks(len(flat), run)
    shape = (areas, clips)
    return Reward(loss.reshape(shape), probability.reshape(shape), gradient.reshape(masks.shape))
