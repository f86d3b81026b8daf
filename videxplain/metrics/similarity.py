"""How alike two attributions are, whatever their scale."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from videxplain.devices import in_float64

Sets = Float[Tensor, "*sets n"]
"""Values to compare, along the last axis."""


def rank_correlation(one: Sets, other: Sets) -> Float[Tensor, "*sets"]:
    """Spearman's coefficient, from -1 to 1; equal values share their mean rank.

    Args:
        one: Values.
        other: Of the same voxels.

    Returns:
        NaN where all values of a set are equal.
    """
    return correlation(ranks(one), ranks(other)).to(one)


def ranks(values: Sets) -> Float[Tensor, "*sets n"]:
    """From 0.5, equal values with their mean rank, in float64."""
    ordered, order = values.sort(dim=-1)
    count = values.shape[-1]
    place = torch.arange(count, device=values.device).expand_as(order)
    rises = ordered[..., 1:] != ordered[..., :-1]
    first = functional.pad(rises, (1, 0), value=True)
    last = functional.pad(rises, (0, 1), value=True)
    below = place.where(first, 0).cummax(dim=-1).values
    not_above = place.where(last, count).flip(-1).cummin(dim=-1).values.flip(-1) + 1
    return in_float64(torch.empty_like(order).scatter(-1, order, below + not_above)) / 2


def correlation(one: Sets, other: Sets) -> Float[Tensor, "*sets"]:
    """Pearson's coefficient; NaN where all values of a set are equal."""
    first, second = (
        each - each.mean(dim=-1, keepdim=True) for each in map(in_float64, (one, other))
    )
    norms = first.square().sum(dim=-1) * second.square().sum(dim=-1)
    return (first * second).sum(dim=-1) / norms.sqrt()


def intersection_over_union(one: Sets, other: Sets) -> Float[Tensor, "*sets"]:
    """Of two sets of voxels, each with a share of every voxel."""
    both = torch.minimum(one, other).sum(dim=-1)
    return both / torch.maximum(one, other).sum(dim=-1)
