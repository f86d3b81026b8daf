"""The steps that every model factory shares."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from videxplain.models.weights import load_weights

_SEED = 0


def random_net(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a network whose random weights are the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        return build()


def fill(net: nn.Module, weights: str, auto: Callable[[], Path]) -> str | None:
    """Give a network its weights.

    Args:
        net: Freshly built.
        weights: ``auto``, ``random``, or the path of a file.
        auto: Finds the published file, fetching it if need be.

    Returns:
        The file's sha256, None for random weights.
    """
    if weights == "random":
        return None
    return load_weights(net, auto() if weights == "auto" else Path(weights).expanduser())
