"""Shares of one job's clips, explained by several jobs and joined when the last is finished."""

from collections.abc import Mapping, Sequence
from itertools import chain, groupby, zip_longest
from pathlib import Path
from typing import Any

from videxplain.sinks.places import RESULT, shard_folder
from videxplain.sinks.stored import read_outcome

Outcome = dict[str, Any]


def read(folder: Path) -> Outcome | None:
    """What a job, or a share of it, came to; None if it is not finished."""
    found: Outcome | None = read_outcome(folder / RESULT)
    return found


def clips_of(outcome: Mapping[str, Any]) -> list[str]:
    """The clips that it is about, in their order."""
    return list(dict.fromkeys(row["clip"] for row in outcome["records"]))


def join(folder: Path, shard: str) -> Outcome | None:
    """What the whole came to; None if a share is missing, or is that of another set of clips.

    Args:
        folder: Of the whole.
        shard: Any of its shares, ``i/n``.
    """
    count = int(shard.partition("/")[2])
    found = [read(shard_folder(folder, f"{i}/{count}")) for i in range(1, count + 1)]
    shares = [each for each in found if each is not None]
    clips = [clip for each in shares for clip in clips_of(each)]
    if len(shares) < count or len(set(clips)) < len(clips):
        return None
    return joined(shares)


def joined(shares: Sequence[Mapping[str, Any]]) -> Outcome:
    """Outcomes of shares as one: clips in the order of the whole, times added."""
    first = shares[0]
    config = {**first["config"], "data": {**first["config"]["data"], "shard": None}}
    took = [each.get("timings", {}) for each in shares]
    names = dict.fromkeys(chain.from_iterable(took))
    timings = {name: sum(each.get(name, 0) for each in took) for name in names}
    return {**first, "config": config, "timings": timings, "records": _in_order(shares)}


def _in_order(shares: Sequence[Mapping[str, Any]]) -> list[Any]:
    """A share has every n-th clip, and a clip one record or more."""
    clips = [
        [list(rows) for _, rows in groupby(each["records"], lambda row: row["clip"])]
        for each in shares
    ]
    rounds = chain.from_iterable(zip_longest(*clips, fillvalue=[]))
    once = {rows[0]["clip"]: rows for rows in rounds if rows}  # shares 1/2 and 1/3 overlap
    return list(chain.from_iterable(once.values()))
