"""Archives of arrays that are written whole, and told where they are damaged."""

import math
from collections.abc import Collection, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from textwrap import shorten
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, is_zipfile

import numpy as np
from numpy.lib import format as npy

from videxplain.errors import OutputError
from videxplain.sinks.files import write_whole

_PACKED = (ZIP_STORED, ZIP_DEFLATED)
"""How numpy writes."""
_VERSION = (1, 0)
"""Of numpy's format; later ones are for tables with many columns."""
_TOLD = 300
"""Letters of a reader's own words, which may be a whole header."""


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Keep arrays by their names.

    Raises:
        OutputError: If they cannot be written.
    """
    write_whole(path, partial(_save, arrays))


def read_arrays(
    path: Path, instead: str = "", needed: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """All arrays of an archive.

    Args:
        path: The file.
        instead: What else can be done about a damaged one than computing all anew.
        needed: Names of arrays without which it is of no use.

    Raises:
        OutputError: If it is not there or damaged.
    """
    try:
        with ZipFile(path) as archive:
            _check_claims(archive, path.stat().st_size)
            arrays = {
                entry.filename.removesuffix(".npy"): _array(archive.read(entry))
                for entry in archive.infolist()
            }
    except MemoryError as error:  # whether there is little, or the file asks for too much
        message = f"{path} takes more memory than there is: free some, or compute it again"
        raise OutputError(message) from error
    except Exception as error:  # the readers of zip and npy raise whatever they meet in bytes
        reason = shorten(str(error), _TOLD) or type(error).__name__
        raise damaged(path, reason, instead) from error
    if missing := [name for name in needed if name not in arrays]:
        raise damaged(path, f"it lacks {missing[0]!r}", instead)
    return arrays


def damaged(path: Path, reason: str, instead: str = "") -> OutputError:
    """What is raised of an archive that is of no use.

    Args:
        path: The file.
        reason: What is wrong with it.
        instead: What else can be done about it than computing all anew.
    """
    message = f"{path} cannot be read ({reason}): compute it again with overwrite=true{instead}"
    return OutputError(message)


def is_whole(path: Path) -> bool:
    """Whether an archive is there up to its end; its arrays are not read."""
    try:
        return path.is_file() and is_zipfile(path)
    except BadZipFile:  # of an end that says there are more files to it
        return False


def holds(path: Path, arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether an archive is of these arrays, to the last byte."""
    try:
        found = read_arrays(path)
    except OutputError:
        return False
    return found.keys() == arrays.keys() and all(
        found[name].dtype == array.dtype and np.array_equal(found[name], array)
        for name, array in arrays.items()
    )


def _save(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def _check_claims(archive: ZipFile, size: int) -> None:
    """Refuse entries that are packed in another way, or longer than the file.

    Raises:
        ValueError: If there are any.
    """
    entries = archive.infolist()
    foreign = any(entry.compress_type not in _PACKED for entry in entries)
    if foreign or sum(entry.compress_size for entry in entries) > size:
        message = "it is not packed as it was written"
        raise ValueError(message)


def _array(data: bytes) -> np.ndarray:
    """What an entry holds; memory is taken once it is known to be as long as it says.

    Raises:
        ValueError: If it is not, or no array; numpy may raise anything else.
    """
    file = BytesIO(data)
    version = npy.read_magic(file)
    try:
        shape, _, dtype = npy.read_array_header_1_0(file)
    except MemoryError as error:  # what Python's parser says of deep nesting, in a short text
        message = "a header is nested too deeply"
        raise ValueError(message) from error
    if version != _VERSION or math.prod(shape) * dtype.itemsize != len(data) - file.tell():
        message = "an array is not as long as it says"
        raise ValueError(message)
    file.seek(0)
    array: np.ndarray = npy.read_array(file, allow_pickle=False)
    return array
