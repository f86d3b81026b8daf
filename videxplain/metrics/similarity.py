"""How alike two attributions are, whatever their scale."""

import torch
from jaxtyping import Float
from torch import Tensor

from videxplain.filters import largest

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
    first, second = (_ranks(each) for each in (one, other))
    first, second = (each - each.mean(dim=-1, keepdim=True) for each in (first, second))
    norms = first.square().sum(dim=-1) * second.square().sum(dim=-1)
    return ((first * second).sum(dim=-1) / norms.sqrt()).to(one)


def overlap(one: Sets, other: Sets, share: float) -> Float[Tensor, "*sets"]:
    """Intersection over union of the largest values of both.

    Args:
        one: Values.
        other: Of the same voxels.
        share: How many are the largest, in (0, 1]; of equal ones at the limit, each counts in part.
    """
    count = max(1, round(share * one.shape[-1]))
    first, second = largest(one, count), largest(other, count)
    both = torch.minimum(first, second).sum(dim=-1)
    return (both / torch.maximum(first, second).sum(dim=-1)).to(one)


def _ranks(values: Sets) -> Float[Tensor, "*sets n"]:
    """From 0.5, in float64."""
    ordered = values.sort(dim=-1).values
    below = torch.searchsorted(ordered, values.contiguous())
    not_above = torch.searchsorted(ordered, values.contiguous(), right=True)
    return (below + not_above).double() / 2
