"""Counts and lists of names, as messages say them, and words that a key chooses from."""

from collections.abc import Sequence
from typing import Literal

Polarity = Literal["positive", "negative", "both"]
"""Evidence for the class, against it, or both by its size."""
Precision = Literal["float32", "bfloat16"]
"""What the network computes in."""

_NAMED = 3
"""Names that a message lists before it says how many more there are."""


def counted(number: int, noun: str) -> str:
    """A number and what it counts, ``1 job`` or ``2 jobs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def as_text(name: str) -> str:
    """A name with escapes in place of the bytes of a path that are no text."""
    return name.encode("utf-8", "backslashreplace").decode()


def first_of(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
