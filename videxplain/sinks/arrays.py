"""Archives of arrays that are written whole, and told where they are damaged."""

import tokenize
import zlib
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from zipfile import BadZipFile, is_zipfile

import numpy as np

from videxplain.errors import OutputError
from videxplain.sinks.files import write_whole

_DAMAGED = (
    *(OSError, ValueError, EOFError, KeyError, NotImplementedError),
    *(BadZipFile, zlib.error, SyntaxError, tokenize.TokenError),
)
"""What reading an archive raises that is cut off, or of which bytes have changed."""


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
        with np.load(path) as archive:
            missing = [name for name in needed if name not in archive]
            if missing:
                message = f"it lacks {missing[0]!r}"
                raise ValueError(message)
            return dict(archive)
    except _DAMAGED as error:
        message = f"{path} cannot be read ({error}): compute it again with overwrite=true{instead}"
        raise OutputError(message) from error


def is_whole(path: Path) -> bool:
    """Whether an archive is there up to its end; its arrays are not read."""
    return path.is_file() and is_zipfile(path)


def is_intact(path: Path) -> bool:
    """Whether every byte of an archive is as it was written."""
    try:
        read_arrays(path)
    except OutputError:
        return False
    return True


def _save(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
