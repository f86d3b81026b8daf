"""Numbers beside those of a method that knows nothing: of the same clip, by masks as large."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float

RANDOM = "random"
"""The method that every other should beat."""
FLOORS = (RANDOM, "center")
"""Methods that know nothing; a ranking of methods is one of the others."""
CHOICE = pl.col("method").str.split(" ").list.first()
"""A method's name without the keys that tell it from others."""


@dataclass(frozen=True)
class Drawn:
    """What ``random`` has by one metric on each clip, means over its seeds.

    Attributes:
        maps: Of its whole map.
        masks: Area, visible area and value of each mask, by visible area, NaN where it is unknown.
    """

    maps: Mapping[str, float]
    masks: Mapping[str, Float[np.ndarray, "3 masks"]]


def drawn(random: pl.DataFrame) -> Drawn:
    """Prepare random's numbers, to be read by every other method.

    Args:
        random: Columns clip, area, visible_area, value, by one metric; may have several seeds.
    """
    means = random.group_by("clip", "area").agg(pl.col("visible_area", "value").mean())
    of_masks = means.filter(pl.col("area").is_not_null()).sort("visible_area")
    maps = means.filter(pl.col("area").is_null()).select("clip", "value")
    clips = of_masks.partition_by("clip", as_dict=True, include_key=False)
    masks = {clip: part.to_numpy().astype(float).T for (clip,), part in clips.items()}
    return Drawn(dict(maps.iter_rows()), masks)


def beside_random(own: pl.DataFrame, random: Drawn) -> pl.DataFrame:
    """Pair each clip's value with the one that random has there.

    At an area, random's is read between those of its own masks, where it keeps just as much of the
    clip: a mask that was searched for an area may keep more, and more of a clip is no merit. A clip
    of which random has no such mask is left out. A metric of the whole map has random's map beside.

    Args:
        own: Of a method at one area: columns clip, area, visible_area, value, higher_is_better.
        random: By the same metric.

    Returns:
        Columns clip, value, random, both so that more is better.
    """
    rows = own.select("clip", "area", "visible_area").iter_rows()
    there = [_there(random, *row) for row in rows]
    sign = 1 if own["higher_is_better"][0] else -1
    beside = own.select("clip", pl.col("value") * sign, random=pl.Series(there, dtype=pl.Float64))
    return beside.drop_nulls("random").with_columns(pl.col("random") * sign)


def _there(random: Drawn, clip: str, area: float | None, kept: float | None) -> float | None:
    """Random's value on a clip, by masks that keep as much; by its map, where there are none."""
    if area is None or not random.masks:
        return random.maps.get(clip)
    areas, visible, values = random.masks.get(clip, np.empty((3, 0)))
    if kept is None or np.isnan(visible).any():
        found = values[areas == area]
        return float(found[0]) if len(found) else None
    if not len(visible) or not visible[0] <= kept <= visible[-1]:
        return None
    return float(np.interp(kept, visible, values))
