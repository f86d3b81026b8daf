"""Weights files: where they are, how they get there, how they are read.

A file is only ever read as tensors: ``torch.load(weights_only=True)`` and safetensors run no code.
"""

import hashlib
import pickle
import socket
import urllib.error
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from videxplain.errors import WeightsError

_PATIENCE = 10.0
"""Seconds a server may stay silent."""
_UNREADABLE = (pickle.UnpicklingError, RuntimeError, SafetensorError)
_LISTED = 3
"""Keys that a message names."""


def cached_file(url: str, weights_dir: str | None) -> Path:
    """The local copy of a published file, fetched if it is not there yet.

    It lies where PyTorch keeps its own (``$TORCH_HOME/hub/checkpoints``), or in ``weights_dir``.

    Args:
        url: Ends in ``<name>-<first 8 hex digits of its sha256>.pth``; the digits are checked.
        weights_dir: Another folder, or None.

    Raises:
        WeightsError: If it is not there and cannot be fetched.
    """
    folder = Path(weights_dir or Path(torch.hub.get_dir()) / "checkpoints").expanduser()
    path = folder / url.rsplit("/", 1)[1]
    if path.is_file():
        return path
    expected = path.stem.rsplit("-", 1)[1]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _patience():
            torch.hub.download_url_to_file(url, str(path), expected)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        message = (
            f"the weights {path.name} are not in {folder} and could not be fetched ({error}): "
            f"on a machine with a network run `curl -fLO {url}`, put the file into {folder}, or "
            "give weights=<path>; weights=random runs without"
        )
        raise WeightsError(message) from error
    return path


def load_weights(net: nn.Module, path: Path) -> str:
    """Fill a network from a file, entirely or not at all.

    Args:
        net: Whose ``state_dict`` the file must match.
        path: A ``.safetensors`` file, or one that ``torch.save`` wrote.

    Returns:
        The file's sha256.

    Raises:
        WeightsError: If the file is missing or is not one of tensors, or its names or shapes are
            not the network's.
    """
    state = _read(path)
    _check(net.state_dict(), state, path)
    net.load_state_dict(state)
    return file_sha256(path)


def file_sha256(path: Path) -> str:
    """Digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        message = f"weights={path} is not a file: give the path of a weights file, auto or random"
        raise WeightsError(message)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (*_UNREADABLE, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        message = f"{path} is not a file of weights alone ({reason}): fetch it again"
        raise WeightsError(message) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        message = f"{path} holds no plain state_dict: save `net.state_dict()` and give that file"
        raise WeightsError(message)
    return state


def _check(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor], path: Path) -> None:
    differing = [key for key in wanted if key in given and wanted[key].shape != given[key].shape]
    mistakes = {
        "lacks": [key for key in wanted if key not in given],
        "has unknown": [key for key in given if key not in wanted],
        "has other shapes for": differing,
    }
    found = [f"{what} {_some(keys)}" for what, keys in mistakes.items() if keys]
    if found:
        message = f"{path} does not fit the network: it {'; it '.join(found)}"
        raise WeightsError(message)


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else ""
    return ", ".join(keys[:_LISTED]) + more


@contextmanager
def _patience() -> Iterator[None]:
    """Let no connection hang; torch.hub sets no time-out of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
