"""The steps that every model factory shares."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from videxplain.models.checkpoints import Checkpoint
from videxplain.models.weights import Rename, load_weights

_SEED = 0


def random_net(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a network whose random weights are the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        return build()


def weights_file(
    weights: str, weights_dir: str | None = None, checkpoint: Mapping[str, Any] | None = None
) -> Path | None:
    """Where the weights are; a published file that is not there yet is fetched.

    Args:
        weights: ``random``, the name of a published file, or a path.
        weights_dir: Where published files are kept; None is PyTorch's own cache.
        checkpoint: Fields of the published file's `Checkpoint`, None for the others.

    Returns:
        None for random weights.

    Raises:
        WeightsError: If it cannot be had.
    """
    if weights == "random":
        return None
    if checkpoint is None:
        return Path(weights).expanduser()
    return Checkpoint(**checkpoint).local_file(weights_dir)


def fill(net: nn.Module, path: Path | None, rename: Rename | None = None) -> str | None:
    """Give a network its weights.

    Args:
        net: Freshly built.
        path: A weights file; None leaves the network as it is.
        rename: Brings the names of other layouts to the network's.

    Returns:
        The file's sha256, None for random weights.

    Raises:
        WeightsError: If the file does not fit.
    """
    return None if path is None else load_weights(net, path, rename)
