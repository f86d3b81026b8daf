"""Files that are written whole or not at all."""

import json
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from videxplain.errors import OutputError

_SLUG_BYTES = 80
_DIGITS = 8


def clip_slug(name: str) -> str:
    """A file name for a clip: readable, safe everywhere, and its own even for odd names.

    Args:
        name: Of any length, with any characters.

    Returns:
        At most 80 bytes of the name, ``-``, and 8 hex digits of the whole name.
    """
    readable = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")[:_SLUG_BYTES]
    return f"{readable or 'clip'}-{sha256(name.encode()).hexdigest()[:_DIGITS]}"


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in its place.

    Args:
        path: The file; its folder is made.
        write: Called with the temporary path, which has the suffix of ``path``.

    Raises:
        OutputError: If it cannot be written; what was there before stays.
    """
    with _told(path):
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
    """Write plain values; numbers that JSON lacks become null."""
    text = json.dumps(finite(value), indent=1, allow_nan=False, ensure_ascii=False)
    write_whole(path, lambda temporary: temporary.write_text(text + "\n", encoding="utf-8"))


def check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be made or written to; it is not made yet.

    Raises:
        OutputError: With the reason.
    """
    with _told(folder):
        there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        with tempfile.TemporaryFile(dir=there):
            pass


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = (
            f"{path} cannot be written ({error.strerror or error}): "
            "free it, or choose another place with outputs_dir=<folder>"
        )
        raise OutputError(message) from error


def finite(value: Any) -> Any:  # noqa: ANN401
    """The same plain values with None in place of NaN and infinity, which JSON lacks."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
