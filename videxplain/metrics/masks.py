"""What a mask is like, and how the search for it went.

Li et al., "Towards visually explaining video understanding networks with perturbation", WACV 2021,
https://arxiv.org/abs/2005.00375.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from videxplain.filters import top_share
from videxplain.measures import AT_REST_FOR, NOTHING, Category, unknown
from videxplain.types import Attribution, Classifier, Clips, Cost, Measure
from videxplain.words import Polarity

_AT_REST = 0.9
_NEAR = {"visible_area": 0.01, "probability": 0.05}
"""How far from its last value a curve of a mask at rest may be."""
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class VisibleArea:
    """Share of the frames that a mask really keeps: its mean.

    It differs from the area asked for, which is a share of the padded plane: up to 1.43 times at
    112 pixels when the mask stays clear of the border. A search that has not come to rest, or for
    which the class is worth more than the area, keeps more than that.
    """

    name: ClassVar[str] = "visible_area"
    higher_is_better: ClassVar[bool | None] = None
    category: ClassVar[Category] = "mask"
    citation: ClassVar[str] = "Li et al., WACV 2021"

    @property
    def cost(self) -> Cost:
        """The network is not asked."""
        return NOTHING

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:  # noqa: ARG002
        """Average each mask; NaN for a method without masks."""
        if attribution.areas is None:
            return unknown(attribution)
        return attribution.values.float().mean(dim=(2, 3, 4, 5))


@dataclass(frozen=True, config=_STRICT)
class ConvergedAt:
    """Iterations, counted from 1, until the mask has come to rest; NaN where it has not.

    From that iteration on, the visible area stays within .01, and the probability of the target
    within .05, of the values of the mask's last iteration. One that still moved in the last tenth,
    or in the last 20, has not come to rest.
    """

    name: ClassVar[str] = "converged_at"
    higher_is_better: ClassVar[bool | None] = False
    category: ClassVar[Category] = "mask"
    citation: ClassVar[str] = "Li et al., WACV 2021"

    @property
    def cost(self) -> Cost:
        """The network is not asked."""
        return NOTHING

    def __call__(self, classifier: Classifier, clips: Clips, attribution: Attribution) -> Measure:  # noqa: ARG002
        """Read the curves; NaN for a method that has none."""
        if not _NEAR.keys() <= attribution.curves.keys():
            return unknown(attribution)
        return _rests_from(attribution)


def count_moving(attribution: Attribution) -> int:
    """Masks of a search that had not come to rest when it ended; 0 where nothing was searched."""
    searched = attribution.areas is not None and _NEAR.keys() <= attribution.curves.keys()
    return int(_rests_from(attribution).isnan().sum()) if searched else 0


def _rests_from(attribution: Attribution) -> Measure:
    curves = {name: attribution.curves[name] for name in _NEAR}
    count = (~curves["visible_area"].isnan()).sum(dim=-1, keepdim=True)  # less: stopped early
    away = torch.stack(
        [
            (curves[name] - curves[name].gather(-1, count - 1)).abs() > tolerance
            for name, tolerance in _NEAR.items()
        ]
    ).any(dim=0)
    iterations = torch.arange(1, away.shape[-1] + 1, device=away.device)
    at = ((away * iterations).amax(dim=-1) + 1).float()
    latest = torch.minimum(_AT_REST * count, count - AT_REST_FOR)[..., 0]
    return at.masked_fill(at > latest, float("nan"))


def cut(attribution: Attribution, areas: Sequence[float], polarity: Polarity) -> Attribution:
    """Masks of the most salient voxels, to compare a map with what a search for masks finds.

    Args:
        attribution: One map a clip.
        areas: Share of the clip that each mask keeps, in (0, 1); of equal voxels at the limit, each
            is kept in part.
        polarity: How signed values become saliency.

    Returns:
        As of a method that has areas, without curves.
    """
    saliency = attribution.saliency(polarity)[0]
    voxels = saliency.flatten(1)
    masks = [top_share(voxels, area) for area in areas]
    values = torch.stack(masks).reshape(len(areas), *saliency.shape)[:, :, None]
    return Attribution(values, attribution.target, tuple(areas), signed=False)
