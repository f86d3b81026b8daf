"""How the search descends: the step it takes, and how its weights move meanwhile."""

import math
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from videxplain.methods.extremal.masks import Coarse

Beta = Annotated[float, Field(ge=0, lt=1)]
_STRICT = ConfigDict(extra="forbid")


@plain_dataclass(frozen=True)
class Pace:
    """What holds in one iteration.

    Attributes:
        learning_rate: Of the step.
        clock: The iteration at which the terms' schedules are read; need not be whole.
        least_reward: What the reward weighs at least.
    """

    learning_rate: float
    clock: float
    least_reward: float = 0.0


@runtime_checkable
class Optimizer(Protocol):
    """A way to descend."""

    def start(self, coarse: Coarse) -> torch.optim.Optimizer:
        """What takes the steps; its learning rate is set before each."""
        ...

    def pace(self, iteration: int, num_iter: int) -> Pace:
        """What holds in an iteration, counted from 0, of at most ``num_iter``."""
        ...


@dataclass(frozen=True, config=_STRICT)
class SGD:
    """The published descent: gradient steps with momentum, weights as they are written.

    Li et al., WACV 2021, https://arxiv.org/abs/2005.00375.

    Attributes:
        learning_rate: Length of a step.
        momentum: Share of the last step that is kept.
        dampening: Share of the gradient that is not added to it; the first step adds all.
    """

    learning_rate: PositiveFloat = 0.05
    momentum: Beta = 0.9
    dampening: Beta = 0.9

    def start(self, coarse: Coarse) -> torch.optim.Optimizer:
        """Of PyTorch."""
        return torch.optim.SGD([coarse], self.learning_rate, self.momentum, self.dampening)

    def pace(self, iteration: int, num_iter: int) -> Pace:  # noqa: ARG002
        """Always the same step, and the schedules in their own time."""
        return Pace(self.learning_rate, iteration)


@dataclass(frozen=True, config=_STRICT)
class Adam:
    r"""A quicker descent to the lowest energy under the same final weights.

    Each parameter moves by about the learning rate, however flat the energy is, and less and less:
    the rate falls as half a cosine, to ``last_rate`` of itself after ``settle`` iterations. By
    then the schedules of the weights, written for ``schedule`` iterations, have been run through.
    The evidence is to be found before the shape is: a reward of small weight starts with that of
    ``first_reward`` and comes down to 1 by the same factor an iteration, at half of that time.
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015.

    Attributes:
        learning_rate: Largest change of a mask parameter in the first iteration.
        last_rate: Share of it that is left.
        settle: Iterations that this takes; a search of fewer takes as many as it has.
        schedule: Iterations that the terms' schedules are written for.
        betas: Share that is kept of the mean gradient, and of its mean square, an iteration.
        first_reward: What the reward weighs at least in the first iteration, at least 1.
    """

    learning_rate: PositiveFloat = 0.07
    last_rate: float = Field(default=0.05, ge=0, le=1)
    settle: PositiveInt = 200
    schedule: PositiveInt = 2000
    betas: tuple[Beta, Beta] = (0.9, 0.95)
    first_reward: float = Field(default=100.0, ge=1, allow_inf_nan=False)

    def start(self, coarse: Coarse) -> torch.optim.Optimizer:
        """Of PyTorch."""
        return torch.optim.Adam([coarse], self.learning_rate, self.betas)

    def pace(self, iteration: int, num_iter: int) -> Pace:
        """From the share of the settling time that is over."""
        over = min(iteration / max(min(self.settle, num_iter) - 1, 1), 1.0)
        left = (1 + math.cos(math.pi * over)) / 2
        rate = self.learning_rate * (self.last_rate + (1 - self.last_rate) * left)
        least = self.first_reward ** (1 - 2 * over) if 2 * over < 1 else 0.0
        return Pace(rate, over * (self.schedule - 1), least)


def keep(optimizer: torch.optim.Optimizer, rows: Int[Tensor, "stay"]) -> Coarse:
    """Go on with some rows of the one tensor that an optimizer moves.

    Args:
        optimizer: Made by ``Optimizer.start``.
        rows: Their indices.

    Returns:
        The tensor of those rows, which the optimizer moves from now on.
    """
    (group,) = optimizer.param_groups
    (before,) = group["params"]
    after: Tensor = before.detach()[rows].requires_grad_()
    state = optimizer.state.pop(before, {})
    group["params"] = [after]
    optimizer.state[after] = {
        name: value[rows] if torch.is_tensor(value) and value.shape == before.shape else value
        for name, value in state.items()
    }
    return after
