"""Numbers beside those of a method that knows nothing: of the same clip, by masks as large."""

import numpy as np
import polars as pl

RANDOM = "random"
"""The method that every other should beat."""
FLOORS = (RANDOM, "center")
"""Methods that know nothing; a ranking of methods is one of the others."""
CHOICE = pl.col("method").str.split(" ").list.first()
"""A method's name without the keys that tell it from others."""


def beside_random(own: pl.DataFrame, random: pl.DataFrame) -> pl.DataFrame:
    """Pair each clip's value with the one that random has there.

    At an area, random's is read between those of its own masks, where it keeps just as much of the
    clip: a mask that was searched for an area may keep more, and more of a clip is no merit. A clip
    of which random has no such mask is left out. A metric of the whole map has random's map beside.

    Args:
        own: Of a method at one area: columns clip, area, visible_area, value, higher_is_better.
        random: Of ``random``, at all areas, by the same metric; may have several seeds.

    Returns:
        Columns clip, value, random, both so that more is better.
    """
    masks = random.filter(pl.col("area").is_not_null())
    if own["area"][0] is None or not len(masks):
        drawn = random.filter(pl.col("area").is_null()).group_by("clip").agg(_mean("value"))
    elif own["visible_area"].null_count() or masks["visible_area"].null_count():
        there = masks.filter(pl.col("area") == own["area"][0])
        drawn = there.group_by("clip").agg(_mean("value"))
    else:
        drawn = _as_large(own, masks)
    joined = own.join(drawn.rename({"value": "random"}), on="clip", maintain_order="left")
    sign = 1 if own["higher_is_better"][0] else -1
    return joined.select("clip", pl.col("value") * sign, pl.col("random") * sign)


def _as_large(own: pl.DataFrame, masks: pl.DataFrame) -> pl.DataFrame:
    """What masks of random would be worth that keep as much as a method's."""
    places = masks.group_by("clip", "area").agg(_mean("visible_area"), _mean("value"))
    drawn = {
        clip: np.interp(kept, place["visible_area"], place["value"], left=np.nan, right=np.nan)
        for (clip, kept) in own.select("clip", "visible_area").iter_rows()
        if len(place := places.filter(pl.col("clip") == clip).sort("visible_area"))
    }
    found = pl.DataFrame({"clip": drawn.keys(), "value": drawn.values()})
    return found.filter(pl.col("value").is_not_nan())


def _mean(column: str) -> pl.Expr:
    """Over the seeds."""
    return pl.col(column).mean()
