"""A share of a data set, so that several jobs can explain it together."""

import re
from collections.abc import Sequence
from typing import TypeVar

from videxplain.errors import DataError
from videxplain.words import counted

_SHARD = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})")
_Item = TypeVar("_Item")


def share(items: Sequence[_Item], shard: str | None) -> list[_Item]:
    """Every n-th item from the i-th on.

    Args:
        items: Of the whole data set, in an order that is the same for every job.
        shard: ``i/n`` with i from 1 to n; None for all items.

    Raises:
        DataError: If it is written otherwise, or the share would be empty.
    """
    if shard is None:
        return list(items)
    number, count = parse(shard)
    if count > len(items):
        message = (
            f"data.shard={shard} of {counted(len(items), 'clip')}: give at most as many shares"
        )
        raise DataError(message)
    return list(items[number - 1 :: count])


def parse(shard: object) -> tuple[int, int]:
    """The number of a share and the count of all.

    Raises:
        DataError: If it is not ``i/n`` with i from 1 to n.
    """
    matched = _SHARD.fullmatch(str(shard))
    number, count = (int(each) for each in matched.groups()) if matched else (1, 0)
    if number > count:
        message = f"data.shard={shard}: give i/n with i from 1 to n, as in data.shard=2/4"
        raise DataError(message)
    return number, count
