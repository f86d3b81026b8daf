"""Counts and lists of names, as messages say them."""

from collections.abc import Sequence

_NAMED = 3
"""Names that a message lists before it says how many more there are."""


def counted(number: int, noun: str) -> str:
    """A number and what it counts, ``1 job`` or ``2 jobs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def first_of(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
