"""The steps that every model factory shares."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import nn

from videxplain.models.checkpoints import Checkpoint
from videxplain.models.weights import WeightsFile, read_weights
from videxplain.paths import given_path

log = logging.getLogger(__name__)

_SEED = 0
_Net = TypeVar("_Net", bound=nn.Module)


def random_net(build: Callable[[], _Net]) -> _Net:
    """Build a network, or a classifier of one, whose random weights are the same each time."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(_SEED)
        return build()


def open_weights(
    weights: str, weights_dir: str | None = None, checkpoint: Mapping[str, Any] | None = None
) -> WeightsFile | None:
    """Read the weights; a published file that is not there yet is fetched.

    Args:
        weights: ``random``, the name of a published file, or a path.
        weights_dir: Where published files are kept; None is PyTorch's own cache.
        checkpoint: Fields of the published file's `Checkpoint`, None for the others.

    Returns:
        None for random weights.

    Raises:
        WeightsError: If the file cannot be had, or is not one of tensors.
    """
    if weights == "random":
        return None
    if checkpoint is None:
        return read_weights(given_path(weights))
    published = Checkpoint(**checkpoint)
    path = published.local_file(weights_dir)
    if published.matches(path) is False:
        log.warning(
            "%s is not the file published at %s, its hash is another; it is used all the same",
            *(path, published.url),
        )
    return read_weights(path)
