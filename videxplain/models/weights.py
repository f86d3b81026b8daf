"""Weights files: how they are read, and what they must hold to fit a network.

A file is only ever read as tensors: ``torch.load(weights_only=True)`` and safetensors run no code.
"""

import argparse
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from videxplain.errors import WeightsError
from videxplain.models.checkpoints import file_sha256

State = Mapping[str, Tensor]
Rename = Callable[[State], State]
"""Brings the names of another layout to the network's, or raises `WeightsError`."""

_PREFIXES = ("module.", "model.")
"""What wrappers put before every name: DataParallel, Lightning and trainers of one's own."""
_COUNTER = "num_batches_tracked"
"""Files older than PyTorch 0.4.1 lack it, and evaluation does not read it."""
_HARMLESS: list[Any] = [argparse.Namespace]
"""What published files hold besides tensors: the options of their training."""
_LIGHTNING = "pytorch-lightning_version"
_UNREADABLE = (
    pickle.UnpicklingError,
    RuntimeError,
    SafetensorError,
    zipfile.BadZipFile,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
)
_LISTED = 3
"""Keys that a message names."""


def load_weights(net: nn.Module, path: Path, rename: Rename | None = None) -> str:
    """Fill a network from a file, entirely or not at all.

    Args:
        net: Whose ``state_dict`` the file must match; values take its types.
        path: A ``.safetensors`` file, or one that ``torch.save`` wrote: a ``state_dict``, alone or
            under that name, the names bare or behind ``module.`` or ``model.``.
        rename: Brings the names of other layouts to the network's.

    Returns:
        The file's sha256.

    Raises:
        WeightsError: If the file is missing or is not one of tensors, holds NaN, or its names or
            shapes are not the network's.
    """
    state = read_weights(path)
    own = net.state_dict()
    try:
        state = rename(state) if rename is not None else state
        counters = {key: own[key] for key in own if key.endswith(_COUNTER)}
        state = {**counters, **state}
        _check(own, state)
    except WeightsError as error:
        message = f"{path}: {error}"
        raise WeightsError(message) from error
    net.load_state_dict(state)
    return file_sha256(path)


def read_weights(path: Path) -> State:
    """The tensors in a file, by bare names.

    Raises:
        WeightsError: If it is missing or not a file of tensors alone.
    """
    _check_file(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(_HARMLESS):
            warnings.simplefilter("ignore")  # of old formats
            content = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        message = f"{path} is no readable file of weights ({_reason(error)}): fetch it again"
        raise WeightsError(message) from error
    return _bare_names(_tensors(content, path))


def _check_file(path: Path) -> None:
    """Refuse what a glance shows to be something else."""
    if path.is_dir():
        message = f"weights={path} is a folder: give the path of a weights file"
        raise WeightsError(message)
    if not path.is_file():
        message = f"weights={path} is not a file: give the path of a weights file, auto or random"
        raise WeightsError(message)
    with path.open("rb") as file:
        start = file.read(512).lstrip()
    if not start:
        message = f"{path} is an empty file: fetch it again"
        raise WeightsError(message)
    if start.startswith(b"<"):
        message = (
            f"{path} is a web page, not weights: open it in a browser to read what the server "
            "wanted, then fetch the file itself"
        )
        raise WeightsError(message)


def _reason(error: Exception) -> str:
    """The cause in a few words; PyTorch's own are a page."""
    refused = re.search(r"GLOBAL (\S+)", str(error))
    if refused:
        return f"it holds {refused[1]} besides tensors, and could run code"
    if isinstance(error, RuntimeError):
        return re.split(r"\. |\n", str(error))[0]
    return "no format of PyTorch"


def _tensors(content: Any, path: Path) -> State:  # noqa: ANN401
    """The ``state_dict`` in a file's content."""
    if isinstance(content, dict) and _LIGHTNING in content:
        message = (
            f"{path} is a Lightning checkpoint, a training's whole state: save the network's own "
            "`state_dict()` with torch.save and give that file"
        )
        raise WeightsError(message)
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    named = isinstance(state, dict) and all(isinstance(key, str) for key in state)
    if not named or not state or not all(isinstance(each, Tensor) for each in state.values()):
        message = f"{path} holds no plain state_dict: save `net.state_dict()` and give that file"
        raise WeightsError(message)
    return dict(state)


def _bare_names(state: State) -> State:
    """Names without the prefix that all of them share."""
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in state):
            return _bare_names({key.removeprefix(prefix): state[key] for key in state})
    return state


def _check(wanted: State, given: State) -> None:
    differing = [key for key in wanted if key in given and wanted[key].shape != given[key].shape]
    mistakes = {
        "lacks": [key for key in wanted if key not in given],
        "has unknown": [key for key in given if key not in wanted],
        "has other shapes for": differing,
    }
    found = [f"{what} {_some(keys)}" for what, keys in mistakes.items() if keys]
    if found == [f"has other shapes for {_some(differing)}"] and all(
        wanted[key].shape[1:] == given[key].shape[1:] for key in differing
    ):
        sizes = (len(given[differing[0]]), len(wanted[differing[0]]))
        message = (
            f"it has {sizes[0]} classes where the network has {sizes[1]} ({_some(differing)}): "
            "give weights trained on this data set, or use model=custom"
        )
        raise WeightsError(message)
    if found:
        message = f"it does not fit the network: it {'; it '.join(found)}"
        raise WeightsError(message)
    unusable = [key for key, value in given.items() if not value.isfinite().all()]
    if unusable:
        message = f"NaN or infinite values in {_some(unusable)}: fetch it again, or train again"
        raise WeightsError(message)


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else ""
    return ", ".join(keys[:_LISTED]) + more
