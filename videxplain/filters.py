"""Pure tensor functions on clips: blur, perturbation pyramids, and their use with a mask.

A pyramid holds a clip from fully perturbed (level 0) to untouched (the last level); a mask picks
a level for each voxel, and values between two levels are mixed.
"""

import math
from collections.abc import Callable, Mapping

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from videxplain.types import Frames

Pyramid = Float[Tensor, "b l c t h w"]
Masks = Float[Tensor, "a b t h w"]
Maps = Float[Tensor, "rows maps t h w"]

LEVELS = 8
"""Levels of a pyramid; Fong, Patrick and Vedaldi, ICCV 2019."""
BLUR_SIGMA = 20.0
"""Standard deviation of the strongest blur, in pixels; same source."""
_REACH = 4
"""Where a Gaussian is cut, in standard deviations."""


def gaussian_blur(frames: Frames, sigma: float) -> Frames:
    """Blur each frame with a Gaussian, zeros beyond its border.

    The kernel sums to 1 once and is not renormalised at the border, so that borders fade towards
    zero, the mean colour of a normalised clip. ``sigma`` 0 changes nothing.

    Args:
        frames: The clip.
        sigma: Standard deviation in pixels, at least 0.
    """
    rows, columns = (_blur_matrix(size, sigma, frames) for size in frames.shape[-2:])
    return rows @ frames @ columns


def _blur_matrix(size: int, sigma: float, like: Tensor) -> Float[Tensor, "size size"]:
    """Convolution with zero padding as a symmetric band matrix.

    A product is quicker than a convolution here: the kernel may be longer than the frame.
    """
    reach = math.ceil(_REACH * sigma)
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float64)
    taps = torch.exp(-(offsets**2) / (2 * sigma**2)) if sigma else torch.ones(1)
    positions = torch.arange(size)
    distance = (positions[:, None] - positions[None, :]).abs()
    matrix = torch.where(distance <= reach, taps[(reach + distance).clamp_max(2 * reach)], 0)
    return (matrix / taps.sum()).to(like)


def blur_pyramid(frames: Frames) -> Pyramid:
    """Level ``l`` is the clip blurred with sigma ``20 (1 - l / 7)``."""
    last = LEVELS - 1
    blurred = [gaussian_blur(frames, BLUR_SIGMA * (1 - level / last)) for level in range(last)]
    return torch.stack([*blurred, frames], dim=1)


def fade_pyramid(frames: Frames) -> Pyramid:
    """Level ``l`` is the clip times ``l / 7``: it fades to zero, the mean colour."""
    last = LEVELS - 1
    return torch.stack([frames * (level / last) for level in range(LEVELS)], dim=1)


PYRAMIDS: Mapping[str, Callable[[Frames], Pyramid]] = {"blur": blur_pyramid, "fade": fade_pyramid}
"""Perturbations by name."""


def perturb(pyramid: Pyramid, masks: Masks) -> Float[Tensor, "ab c t h w"]:
    """Show each clip through each of its masks.

    With ``z = 7 m`` and ``l = min(floor z, 6)`` a voxel is
    ``(1 - (z - l)) level_l + (z - l) level_(l + 1)``; no gradient passes through ``l``.

    Args:
        pyramid: The levels of each clip.
        masks: 1 keeps a voxel, 0 perturbs it fully; ``a`` masks a clip.

    Returns:
        The perturbed clips, areas outermost: ``(a b) c t h w``.
    """
    last = pyramid.shape[1] - 1
    position = last * masks
    level = position.detach().floor().clamp(0, last - 1)
    share = rearrange(position - level, "a b t h w -> a b 1 t h w")
    share = share.to(pyramid)
    levels = pyramid.expand(masks.shape[0], *pyramid.shape)
    index = rearrange(level.long(), "a b t h w -> a b 1 1 t h w")
    index = index.expand(-1, -1, -1, pyramid.shape[2], -1, -1, -1)
    lower = levels.gather(2, index).squeeze(2)
    upper = levels.gather(2, index + 1).squeeze(2)
    return torch.lerp(lower, upper, share).flatten(0, 1)


def largest(values: Float[Tensor, "*sets n"], count: int) -> Float[Tensor, "*sets n"]:
    """One at the ``count`` largest of each set, else zero; equal values share what is left.

    Masks are flat in places (all frames equal at the start, 0 and 1 later), and an arbitrary
    choice among equal values would depend on the machine.

    Args:
        values: Sets along the last axis.
        count: From 1 to ``n``.
    """
    least = values.topk(count, dim=-1, sorted=False).values.amin(dim=-1, keepdim=True)
    above, equal = values > least, values == least
    left = count - above.sum(dim=-1, keepdim=True)
    return above + equal * (left / equal.sum(dim=-1, keepdim=True))


def top_share(values: Float[Tensor, "*sets n"], share: float) -> Float[Tensor, "*sets n"]:
    """One at the largest values of each set, else zero, as `largest` has it.

    Args:
        values: Sets along the last axis.
        share: How many of them are the largest, in (0, 1]; at least one is.
    """
    return largest(values, max(1, round(share * values.shape[-1])))


def stretched(maps: Maps) -> Maps:
    """Each map's own range brought to [0, 1]; one without a range becomes 0."""
    low, high = maps.amin(dim=(2, 3, 4), keepdim=True), maps.amax(dim=(2, 3, 4), keepdim=True)
    return (maps - low) / (high - low).clamp_min(torch.finfo(maps.dtype).tiny)
