"""The mistakes a user can make; each message says what was given, what is allowed, what to do."""

import difflib
from collections.abc import Iterable, Sequence

_LISTED = 12
"""Names a message lists before it says how many more there are."""


class VidexplainError(Exception):
    """Base of every error raised on purpose."""


class ConfigError(VidexplainError):
    """A configuration or an argument that cannot be used."""


class UnknownKeyError(ConfigError):
    """A key that a part of the configuration has not.

    Attributes:
        key: Its whole name, ``method.sigma``.
    """

    def __init__(self, message: str, key: str = "") -> None:  # pickle gives the message alone
        super().__init__(message)
        self.key = key


class DataError(VidexplainError):
    """A video, folder or label that cannot be read or understood."""


class WeightsError(VidexplainError):
    """A weights file that is missing, cannot be fetched, or does not fit its network."""


class OutputError(VidexplainError):
    """A result that cannot be written or read, or is not the one that was asked for."""


class DeviceMemoryError(VidexplainError):
    """A clip that the device has not the memory for, even alone."""


class LayerNotFoundError(VidexplainError):
    """A layer name that the network does not have."""


class UnsupportedPairError(VidexplainError):
    """Two choices that cannot go together, such as a method and a model."""


class JobsFailedError(VidexplainError):
    """A sweep that ended, but not all of its jobs did their work."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that ``name`` is unknown, with the nearest known names and the list of all.

    Args:
        kind: What was named, e.g. ``"method"``.
        name: The name given.
        known: The names allowed.
    """
    names = list(known)
    close = _close(name, names)
    hint = f"did you mean {close}? " if close else ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"unknown {kind} {name!r}: {hint}choose from {', '.join(names[:_LISTED])}{more}"


def nearest_of(names: Sequence[str], given: str) -> str:
    """The names that resemble the one given, and all of them where they are few.

    Args:
        names: The names allowed.
        given: One that is none of them.
    """
    close = _close(given, names)
    hint = f"did you mean {close}? " if close else ""
    few = len(names) <= _LISTED
    return hint + (f"they are {', '.join(names)}" if few else f"there are {len(names)}")


def _close(name: str, names: Sequence[str]) -> str:
    """The names that resemble one, empty where none does."""
    folded = {each.casefold(): each for each in names}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=3, cutoff=0.5)
    return " or ".join(repr(folded[each]) for each in close)
