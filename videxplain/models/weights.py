"""Weights files: how they are read, and what they must hold to fit a network.

A file is only ever read as tensors: ``torch.load(weights_only=True)`` and safetensors run no code.
"""

import argparse
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from videxplain.errors import WeightsError
from videxplain.models.checkpoints import check_file, file_sha256
from videxplain.words import first_of

State = Mapping[str, Tensor]
Rename = Callable[[State], State]
"""Brings the names of another layout to the network's, or raises `WeightsError`."""

_PREFIXES = ("module.", "model.")
"""What wrappers put before every name: DataParallel, Lightning and trainers of one's own."""
_COUNTER = "num_batches_tracked"
"""Files older than PyTorch 0.4.1 lack it, and evaluation does not read it."""
_VARIANCE = "running_var"
_NUMBERS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_LIGHTNING = "pytorch-lightning_version"
_HARMLESS: list[Any] = [argparse.Namespace]
"""What published files hold besides tensors: the options of their training."""
_AGAIN = "remove it and fetch it again, or train again"


@dataclass(frozen=True)
class WeightsFile:
    """A file that has been read.

    Attributes:
        path: Where it is.
        state: Its tensors, by the names that they have there.
        sha256: Its digest.
    """

    path: Path
    state: State
    sha256: str


def read_weights(path: Path) -> WeightsFile:
    """Read the tensors in a file.

    Args:
        path: A ``.safetensors`` file, or one that ``torch.save`` wrote: a ``state_dict``, alone or
            under that name.

    Raises:
        WeightsError: If it is missing or not a file of tensors alone.
    """
    check_file(path)
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            _check_archive(path)
            with warnings.catch_warnings(), torch.serialization.safe_globals(_HARMLESS):
                warnings.simplefilter("ignore")  # of old formats
                content = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError as error:  # whether there is little, or the file asks for too much
        message = f"{path} takes more memory than there is: give another file, or free some"
        raise WeightsError(message) from error
    except Exception as error:  # the readers raise whatever they meet in bytes
        message = f"{path} {_reason(error)}"
        raise WeightsError(message) from error
    return WeightsFile(path, _tensors(content, path), file_sha256(path))


def fill(net: nn.Module, file: WeightsFile, rename: Rename | None = None) -> str:
    """Fill a network from a file, entirely or not at all.

    Args:
        net: Whose ``state_dict`` the file must match; values take its types.
        file: What was read; names may stand behind ``module.`` or ``model.``.
        rename: Brings the names of other layouts to the network's.

    Returns:
        The file's sha256.

    Raises:
        WeightsError: If its names or shapes are not the network's, or its values no weights.
    """
    own = net.state_dict()
    try:
        _check_tensors(file.state)
        bare = _bare_names(file.state, own)
        named = bare if rename is None else rename(bare)
        given = {key: value for key, value in named.items() if not key.endswith(_COUNTER)}
        wanted = {key: value for key, value in own.items() if not key.endswith(_COUNTER)}
        _check_names(wanted, given)
        _check_types(wanted, given)
        _check_values({key: value.to(own[key]) for key, value in given.items()})
    except WeightsError as error:
        message = f"{file.path}: {error}"
        raise WeightsError(message) from error
    net.load_state_dict({**own, **given})
    return file.sha256


def _check_archive(path: Path) -> None:
    """Refuse a zip file whose entries claim more than it holds, for which PyTorch takes the memory.

    Raises:
        ValueError: If it is one; ``torch.save`` packs nothing.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
                raise ValueError


def _reason(error: Exception) -> str:
    """What is wrong and what to do, in a sentence; PyTorch's own are a page."""
    refused = re.search(r"GLOBAL (\S+)", str(error))
    if refused:
        return (
            f"holds {refused[1]} besides tensors, and a file that does could run code: it is not "
            "opened; save the network's `state_dict()` alone and give that file"
        )
    known = isinstance(error, RuntimeError)
    why = re.split(r"\. |\n", str(error))[0] if known else "no format of weights"
    return f"is no readable file of weights ({why}): give another, or fetch it again"


def _tensors(content: Any, path: Path) -> State:  # noqa: ANN401
    """The ``state_dict`` in a file's content."""
    levels = _entries(content)
    if _LIGHTNING in levels:
        message = (
            f"{path} is a Lightning checkpoint, a training's whole state: save the network's own "
            "`state_dict()` with torch.save and give that file"
        )
        raise WeightsError(message)
    state = _entries(levels.get("state_dict", levels))
    if not state or not all(map(_is_entry, state.items())):
        names = [key for key in levels if isinstance(key, str)]
        held = f" (it holds {first_of(names)})" if names else ""
        message = f"{path} holds no plain state_dict{held}: save `net.state_dict()`, give that file"
        raise WeightsError(message)
    return state


def _entries(level: object) -> dict[Any, Any]:
    """Of a dictionary, alone: a file may give an OrderedDict attributes that hide its methods."""
    return dict(dict.items(level)) if isinstance(level, dict) else {}


def _is_entry(entry: tuple[object, object]) -> bool:
    return isinstance(entry[0], str) and isinstance(entry[1], Tensor)


def _bare_names(state: State, own: State) -> State:
    """Names without the prefixes that all of them share, and that the network has not itself."""
    strange = [each for each in _PREFIXES if not all(key.startswith(each) for key in own)]
    while shared := [each for each in strange if all(key.startswith(each) for key in state)]:
        state = {key.removeprefix(shared[0]): value for key, value in state.items()}
    return state


def _check_names(wanted: State, given: State) -> None:
    differing = [key for key in wanted if key in given and wanted[key].shape != given[key].shape]
    mistakes = {
        "lacks": [key for key in wanted if key not in given],
        "has unknown": [key for key in given if key not in wanted],
        "has other shapes for": differing,
    }
    found = {what: keys for what, keys in mistakes.items() if keys}
    if found.keys() == {"has other shapes for"} and all(
        _other_count(wanted[key], given[key]) for key in differing
    ):
        sizes = (len(given[differing[0]]), len(wanted[differing[0]]))
        message = (
            f"it has {sizes[0]} classes where the network has {sizes[1]} ({first_of(differing)}): "
            "give weights trained on this data set, or use model=custom"
        )
        raise WeightsError(message)
    if found:
        told = "; it ".join(f"{what} {first_of(keys)}" for what, keys in found.items())
        message = f"it does not fit the network: it {told}"
        raise WeightsError(message)


def _other_count(wanted: Tensor, given: Tensor) -> bool:
    """Whether two tensors differ in their first axis alone."""
    return min(wanted.dim(), given.dim()) > 0 and wanted.shape[1:] == given.shape[1:]


def _check_tensors(state: State) -> None:
    """Refuse those that have no shape, or no values here."""
    _refuse([key for key, value in state.items() if not _is_dense(value)])


def _check_types(wanted: State, given: State) -> None:
    """Refuse types that become the network's only with a loss of meaning."""
    _refuse([key for key, value in given.items() if not _is_alike(value.dtype, wanted[key].dtype)])


def _refuse(keys: Sequence[str]) -> None:
    if keys:
        message = f"{first_of(keys)} are no plain real numbers: save the weights as float32"
        raise WeightsError(message)


def _is_dense(value: Tensor) -> bool:
    dense = value.layout is torch.strided and not value.is_nested and not value.is_quantized
    return dense and value.device.type == "cpu"


def _is_alike(given: torch.dtype, wanted: torch.dtype) -> bool:
    return given in (_NUMBERS if wanted in _NUMBERS else (wanted,))


def _check_values(given: State) -> None:
    """Of what the network would really hold, in its own types."""
    unusable = [key for key, value in given.items() if not value.isfinite().all()]
    if unusable:
        message = f"NaN or infinite values in {first_of(unusable)}: {_AGAIN}"
        raise WeightsError(message)
    negative = [key for key in given if key.endswith(_VARIANCE) and (given[key] < 0).any()]
    if negative:
        message = f"variances below zero in {first_of(negative)}: {_AGAIN}"
        raise WeightsError(message)
