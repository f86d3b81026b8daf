"""Files that are written whole or not at all."""

import json
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from videxplain.errors import OutputError

log = logging.getLogger(__name__)

LARGEST = 1e100
"""Beyond it a number means nothing, and what is computed from it overflows."""

_SLUG_BYTES = 80
_DIGITS = 8
_LEVELS = 50
"""Of brackets in brackets: more than any configuration has, fewer than what reads it can bear."""
_HALF_LETTER = re.compile(r"\\u[dD][89a-fA-F]")
"""Escape of half a pair of UTF-16, or of a byte of a path that is no text."""


def clip_slug(name: str) -> str:
    """A file name for a clip: readable, safe everywhere, and its own even for odd names.

    Args:
        name: Of any length, with any characters.

    Returns:
        At most 80 bytes of the name, ``-``, and 8 hex digits of the whole name.
    """
    readable = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")[:_SLUG_BYTES]
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{readable or 'clip'}-{digest[:_DIGITS]}"


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in its place.

    Args:
        path: The file; its folder is made.
        write: Called with the temporary path, which has the suffix of ``path``.

    Raises:
        OutputError: If it cannot be written; what was there before stays.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        try:
            write(temporary)
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401
    """Write plain values; numbers that JSON lacks, or beyond `LARGEST`, become null."""
    text = json.dumps(finite(value), indent=1, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8; bytes of a path that are no text stand as escapes, which JSON has too.

    Raises:
        OutputError: If it cannot be written; what was there before stays.
    """
    data = text.encode("utf-8", "backslashreplace")
    write_whole(path, lambda temporary: temporary.write_bytes(data))


def read_json(path: Path, kind: type = dict) -> Any:  # noqa: ANN401
    """What `write_json` wrote; None if there is nothing, or nothing of use.

    A damaged file is moved aside, so that what it held is made anew.

    Args:
        path: The file.
        kind: Of the values in it.

    Raises:
        OutputError: If it is there and cannot be read, or not be moved.
    """
    try:
        value = _parsed(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror or error}): let this user read it"
        raise OutputError(message) from error
    except (ValueError, RecursionError) as error:
        set_aside(path, str(error))
        return None
    if not isinstance(value, kind):
        set_aside(path, f"it holds a {type(value).__name__}")
        return None
    return value


def _parsed(text: str) -> Any:  # noqa: ANN401
    """Values of JSON that all else can bear, else a ValueError."""
    value = json.loads(text, parse_constant=_refuse)
    level: list[Any] = [[value]]
    for _ in range(_LEVELS):
        within = [part.values() if isinstance(part, dict) else part for part in level]
        level = [each for part in within for each in part if isinstance(each, (dict, list))]
    if level:
        message = f"more than {_LEVELS} brackets are in each other"
        raise ValueError(message)
    if _HALF_LETTER.search(text):
        json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogateescape")
    return value


def _refuse(constant: str) -> None:
    message = f"{constant} is no number of JSON"
    raise ValueError(message)


def set_aside(path: Path, reason: str) -> None:
    """Rename a damaged file, and say so.

    Args:
        path: The file.
        reason: What is wrong with it.

    Raises:
        OutputError: If it cannot be renamed.
    """
    aside = path.with_name(f"{path.name}.corrupt")
    with writing(aside):
        path.replace(aside)
    log.warning("%s is damaged (%s): moved to %s, to be made anew", path, reason, aside.name)


def check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be made or written to; it is not made yet.

    Raises:
        OutputError: With the reason.
    """
    with writing(folder):
        there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        with tempfile.TemporaryFile(dir=there):
            pass


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in a sentence what the system says of a file or folder that is being made.

    Raises:
        OutputError: In place of an OSError, or if no file can have this name.
    """
    try:
        with suppress(OSError):  # what follows raises it again
            path.lstat()
    except ValueError as error:  # NUL in a name; later it might be of what is written
        raise _unwritable(path, str(error)) from error
    try:
        yield
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error


def _unwritable(path: Path, reason: str) -> OutputError:
    return OutputError(
        f"{path} cannot be written ({reason}): "
        "free it, or choose another place with outputs_dir=<folder>"
    )


def finite(value: Any) -> Any:  # noqa: ANN401
    """The same plain values with None in place of NaN, infinity, and what is beyond `LARGEST`."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not abs(value) <= LARGEST else value
