"""The published search, transcribed from its equations: slow, in float64, one clip and one area."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

STEP = 7


@dataclass(frozen=True)
class Recipe:
    """What is optimised.

    Attributes:
        reward_weight: Factor of the reward.
        growth: Of the area weight, an iteration.
        per_frame: Whether the area is kept in every frame.
        core_from: First iteration of the core term; None leaves it out.
    """

    reward_weight: float
    growth: float = 1.0
    per_frame: bool = False
    core_from: int | None = None


RECIPES = {
    "2d_ep": Recipe(100, per_frame=True),
    "3d_ep": Recipe(100),
    "step": Recipe(1, growth=1.0008668, core_from=101),
}


def upsample(cells: Tensor, height: int, width: int, sigma: int) -> Tensor:
    """Smooth maximum of kernels ``t r c -> t h_p w_p``, a softmax over the cells of each pixel."""
    radius, padding = 1 + math.ceil(sigma / STEP), 1 + math.ceil(2 * sigma / STEP)
    padded = F.pad(cells, [padding] * 4)
    axes = []
    for size in (height, width):
        out = STEP * (math.ceil(size / STEP) + 2 * padding - 2 * radius) - STEP + 1
        pixels = torch.arange(out)[:, None]
        seen = pixels // STEP - padding + torch.arange(2 * radius + 1)
        axes.append((seen + padding, pixels - (sigma + STEP * seen)))
    (rows, away_y), (columns, away_x) = axes
    distance = torch.hypot(away_y[:, None, :, None].double(), away_x[None, :, None, :].double())
    kernel = torch.exp(-2 * (distance / sigma - 0.5).clamp_min(0) ** 2).to(cells)
    values = kernel * padded[:, rows[:, None, :, None], columns[None, :, None, :]]
    values = values.flatten(3)
    return (values * (20 * values).softmax(dim=3)).sum(dim=3).clamp(0, 1)


def levels(frames: Tensor, perturbation: str) -> list[Tensor]:
    """The eight versions of a clip ``c t h w``, from nothing to all of it."""
    if perturbation == "fade":
        return [frames * (level / 7) for level in range(8)]
    return [*(blur(frames, 20 * (1 - level / 7)) for level in range(7)), frames]


def blur(frames: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian with zeros beyond the border."""
    reach = math.ceil(4 * sigma)
    offsets = torch.arange(-reach, reach + 1).to(frames)
    taps = torch.exp(-(offsets**2) / (2 * sigma**2))
    taps = (taps / taps.sum())[None, None]
    shape = frames.shape
    rows = F.conv1d(frames.reshape(-1, 1, shape[-1]), taps, padding=reach).reshape(shape)
    turned = rows.transpose(-1, -2)
    columns = F.conv1d(turned.reshape(-1, 1, shape[-2]), taps, padding=reach)
    return columns.reshape(turned.shape).transpose(-1, -2)


def perturbed(clip: list[Tensor], mask: Tensor) -> Tensor:
    """Mix the two levels next to ``7 m`` at every voxel."""
    stack = torch.stack(clip)
    position = 7 * mask
    level = position.detach().floor().clamp(0, 6).long()
    index = level[None, None].expand(1, *stack.shape[1:])
    lower, upper = stack.gather(0, index)[0], stack.gather(0, index + 1)[0]
    share = position - level
    return (1 - share) * lower + share * upper


def distance_to_step(values: Tensor, ones: int) -> Tensor:
    """Squares ``(sort(v) - r)^2`` of one set, with ``r`` zeros but for its last ``ones`` entries.

    Which of equal values comes last is arbitrary; here, as in the package, they share the gradient.
    """
    ordered = values.sort().values
    wanted = torch.zeros_like(ordered)
    wanted[len(wanted) - ones :] = 1
    _, group, sizes = torch.unique(ordered.detach(), return_inverse=True, return_counts=True)
    shared = torch.zeros(len(sizes)).to(wanted).index_add(0, group, wanted) / sizes
    squares = (ordered - wanted).square().detach()
    slopes = (ordered - shared[group]).square()
    whole: Tensor = squares + slopes - slopes.detach()
    return whole


def area_term(masks: Tensor, area: float, per_frame: bool) -> Tensor:
    """Squared distance of the sorted mask to the step function."""
    sets = masks.flatten(1) if per_frame else masks.flatten()[None]
    ones = sets.shape[1] - int(sets.shape[1] * (1 - area))
    return torch.stack([distance_to_step(each, ones).mean() for each in sets]).mean()


def core_term(masks: Tensor, area: float) -> Tensor:
    """STEP's term over bodies of 7 x 11 x 11."""
    z, y, x = torch.meshgrid(
        torch.arange(-3, 4) / 3, torch.arange(-5, 6) / 5, torch.arange(-5, 6) / 5, indexing="ij"
    )
    body = (z**2 + y**2 + x**2 <= 1).to(masks)
    filled = F.conv3d(masks[None, None], body[None, None], stride=(1, 11, 11)) / body.sum()
    count = math.ceil(area * masks.numel() / int(7 * 11 * 11 * 0.5236))
    squares = distance_to_step(filled.flatten(), count)
    return squares[-count:].mean() + squares[:-count].mean()


def losses(net: nn.Module, clip: list[Tensor], mask: Tensor, target: int, variant: str) -> Tensor:
    """The reward, as a loss."""
    loss = torch.zeros((), dtype=mask.dtype)
    if variant in ("preserve", "dual"):
        loss = loss - net(perturbed(clip, mask)[None]).softmax(dim=1)[0, target].log()
    if variant in ("delete", "dual"):
        p = net(perturbed(clip, 1 - mask)[None]).softmax(dim=1)[0, target]
        loss = loss - (1 - p).log()
    return loss


def search(  # noqa: PLR0913
    net: nn.Module,
    frames: Tensor,
    target: int,
    recipe: Recipe,
    *,
    area: float,
    sigma: int,
    iterations: int,
    variant: str = "preserve",
    perturbation: str = "blur",
) -> tuple[Tensor, list[float], list[float]]:
    """Optimise a mask for a clip ``c t h w``; also the weighted reward and terms a step."""
    _, length, height, width = frames.shape
    clip = levels(frames, perturbation)
    cells = torch.ones(length, math.ceil(height / STEP), math.ceil(width / STEP)).to(frames)
    velocity, area_weight = torch.zeros_like(cells), 300.0
    rewards, reguls = [], []
    for t in range(iterations):
        leaf = cells.detach().requires_grad_()
        padded = upsample(leaf, height, width, sigma)
        mask = padded[:, sigma : sigma + height, sigma : sigma + width]
        reward = recipe.reward_weight * losses(net, clip, mask, target, variant)
        regul = area_weight * area_term(padded, area, recipe.per_frame)
        if recipe.core_from is not None and t >= recipe.core_from:
            regul = regul + 300 * core_term(padded, area)
        (gradient,) = torch.autograd.grad(reward + regul, leaf)
        velocity = gradient if t == 0 else 0.9 * velocity + 0.1 * gradient
        cells = (cells - 0.05 * velocity).clamp(0, 1)
        rewards.append(reward.item())
        reguls.append(regul.item())
        area_weight *= recipe.growth
    return mask.detach(), rewards, reguls
