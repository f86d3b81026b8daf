"""What is explained: one number a clip, computed from its logits."""

from collections.abc import Callable, Mapping
from typing import Literal

from videxplain.types import Logits, Scores, Targets

ScoreName = Literal["logit", "probability", "log_probability"]


def logit(logits: Logits, target: Targets) -> Scores:
    """The class score before the softmax."""
    return logits.gather(1, target[:, None]).squeeze(1)


def log_probability(logits: Logits, target: Targets) -> Scores:
    """The log of the class probability, finite where the probability rounds to 0."""
    return logit(logits.log_softmax(dim=1), target)


def log_complement(logits: Logits, target: Targets) -> Scores:
    """The log of one minus the class probability, finite where the probability rounds to 1.

    It is summed over the other classes, because ``1 - p`` cancels near ``p = 1``.
    """
    others = logits.scatter(1, target[:, None], -float("inf"))
    return others.logsumexp(dim=1) - logits.logsumexp(dim=1)


def probability(logits: Logits, target: Targets) -> Scores:
    """The class probability."""
    return logit(logits.softmax(dim=1), target)


def is_first(logits: Logits, target: Targets) -> Scores:
    """1 where the class is the network's choice, else 0."""
    return (logits.argmax(dim=1) == target).float()


SCORES: Mapping[ScoreName, Callable[[Logits, Targets], Scores]] = {
    "logit": logit,
    "probability": probability,
    "log_probability": log_probability,
}
"""What a gradient method may explain, by name."""
