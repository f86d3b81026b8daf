"""Paths as users write them."""

import os
from pathlib import Path

from videxplain.errors import ConfigError


def given_path(path: str | os.PathLike[str]) -> Path:
    """A path that a user gave, with ``~`` filled in; nothing need be there.

    Args:
        path: As it was written.

    Raises:
        ConfigError: If nothing can be there: a name is too long, or holds NUL, or nobody is called
            so, or this user may not look.
    """
    try:
        filled = Path(path).expanduser()
        filled.stat()
    except (FileNotFoundError, NotADirectoryError):
        return filled
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = f"{os.fspath(path)!r} is no path that can be used ({reason}): give another one"
        raise ConfigError(message) from error
    return filled
