"""Gradient search for the mask of lowest energy."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveInt,
    ValidationError,
    WrapValidator,
)
from pydantic.dataclasses import dataclass
from torch import Tensor
from tqdm import tqdm

from videxplain.chunks import Chunks, accelerated
from videxplain.devices import without_tf32
from videxplain.filters import PYRAMIDS, gaussian_blur
from videxplain.methods.extremal.masks import (
    Coarse,
    MaskGrid,
    Padded,
    SmoothMaximum,
    Visible,
    default_sigma,
    default_step,
)
from videxplain.methods.extremal.optimizers import SGD, Optimizer, Pace, keep
from videxplain.methods.extremal.rows import Numbers, Rows
from videxplain.methods.extremal.terms import Term
from videxplain.methods.extremal.variants import VARIANTS, levels_of, reward
from videxplain.types import Attribution, Classifier, Clips, Cost, Targets

Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
"""A share strictly between 0 and 1."""

Step = Annotated[int, Field(gt=0, le=64)]
Sigma = Annotated[int, Field(gt=0, le=256)]
"""Pixels; far more than frames of 2160 rows take, since memory grows with the square of both."""
_LOOK_EVERY = 10
"""Iterations between two looks at the numbers: reading them waits for the device."""
_REWARD = "reward"


def _distinct(areas: tuple[float, ...]) -> tuple[float, ...]:
    if len(set(areas)) < len(areas):
        raise ValueError
    return areas


def _as_areas(value: object, check: Callable[[object], tuple[float, ...]]) -> tuple[float, ...]:
    """Take one area too, and tell every mistake in the same sentence."""
    try:
        return check((value,) if isinstance(value, (int, float)) else value)
    except ValidationError as error:
        message = "give a share above 0 and below 1, or a list of them, each once"
        raise ValueError(message) from error


Areas = Annotated[
    tuple[Share, ...], Field(min_length=1), AfterValidator(_distinct), WrapValidator(_as_areas)
]
"""One area or several, each once."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid", arbitrary_types_allowed=True))
class ExtremalPerturbation:
    r"""Find, for each area, the mask of lowest energy.

    .. math:: E_t(m) = \lambda(t) \cdot reward(m) + \sum_{term} \lambda_{term}(t) \cdot term(m)

    The reward of a clip with target probability ``p`` is ``-log p`` of the clip seen through the
    mask (``preserve``), ``-log(1 - p)`` of the clip with the mask's part removed (``delete``), or
    their sum (``dual``). The mask returned is the one of the last iteration, before its step.
    Li et al., WACV 2021, https://arxiv.org/abs/2005.00375; Fong et al., ICCV 2019.

    Attributes:
        perturb_area: Shares of the padded plane that the masks keep, each in (0, 1); one or
            several, all optimised in one batch.
        num_iter: Iterations, at least 1; with ``early_stop`` the most of them.
        terms: Penalties on the mask, by the name of their curve.
        reward_weight: :math:`\lambda`, but where the optimizer wants more at first.
        optimizer: How to descend, and how the weights move meanwhile.
        early_stop: Whether a mask that has come to rest is finished: its curves are NaN from then.
        perturbation: ``blur`` or ``fade``: what the masked part turns into.
        variant: ``preserve``, ``delete`` or ``dual``.
        step: Pixels between mask parameters; None is 7, or fewer where sigma is under 6.
        sigma: Width of the mask's kernel in pixels; None takes 12/112 of the frame, less one.
        combine: ``sum`` gives one map a clip instead of a mask an area: the masks' sum, smoothed in
            each frame and divided by its maximum (Li et al., TCSVT 2021, arXiv 2109.00222).
        smooth_sigma: Width of that smoothing in pixels.
        batch_size: Clips that the network sees at once.
    """

    perturb_area: Areas
    num_iter: PositiveInt
    terms: Mapping[str, Term]
    reward_weight: NonNegativeFloat
    optimizer: Optimizer = field(default_factory=SGD)
    early_stop: bool = False
    perturbation: Literal["blur", "fade"] = "blur"
    variant: Literal["preserve", "delete", "dual"] = "preserve"
    step: Step | None = None
    sigma: Sigma | None = None
    combine: Literal["sum"] | None = None
    smooth_sigma: NonNegativeFloat = 10.0
    batch_size: PositiveInt = 2

    signed: ClassVar[bool] = False
    complete: ClassVar[bool] = False
    deterministic: ClassVar[bool] = True
    citation: ClassVar[str] = (
        "Li et al., WACV 2021, arXiv 2005.00375; Fong et al., ICCV 2019, arXiv 1910.08485"
    )

    @property
    def cost(self) -> Cost:
        """A pass in each direction an iteration and area, two of each for ``dual``; at most."""
        passes = self.num_iter * len(self.perturb_area) * len(VARIANTS[self.variant])
        return Cost(passes, passes)

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:
        """Optimise one mask an area and clip; clips and areas do not influence each other.

        Returns:
            Masks in [0, 1], and the curves ``energy``, ``reward`` and ``regul`` (weighted),
            ``probability``, ``visible_area``, and each term unweighted under its own name.
        """
        search = _Search(self, classifier, clips, target)
        with torch.enable_grad(), tqdm(total=self.num_iter, leave=False, disable=None) as bar:
            for iteration in range(self.num_iter):
                search.iterate(iteration)
                bar.update()
                if iteration % _LOOK_EVERY == _LOOK_EVERY - 1:
                    _show(bar, search.rows)
                    if self.early_stop and not search.go_on():
                        break
        found = Attribution(search.masks(), target, self.perturb_area, search.rows.curves())
        return found if self.combine is None else _summed(found, self.smooth_sigma)

    def weights(self, pace: Pace) -> dict[str, float]:
        """Of the reward and of each term, in one iteration."""
        terms = {name: term.weight.at(pace.clock) for name, term in self.terms.items()}
        least = pace.least_reward if self.reward_weight else 0.0
        return {_REWARD: max(self.reward_weight, least), **terms}


class _Search:
    """A search on its way.

    Args:
        method: What is searched, and how.
        classifier: The network.
        clips: What it is shown.
        target: The class of each clip.
    """

    def __init__(
        self, method: ExtremalPerturbation, classifier: Classifier, clips: Clips, target: Targets
    ) -> None:
        frames = clips.frames
        height, width = frames.shape[-2:]
        sigma = method.sigma or default_sigma(height, width)
        grid = MaskGrid(height, width, method.step or default_step(sigma), sigma)
        shape = (len(method.perturb_area), frames.shape[0], frames.shape[2])
        precise = torch.promote_types(frames.dtype, torch.float32)  # for the masks' sake
        found = frames.new_empty((*shape, height, width), dtype=precise)
        cells = found.new_ones((*shape, *grid.cells)).flatten(0, 1).requires_grad_()
        self.rows = Rows(method.perturb_area, found, method.num_iter)
        self._method, self._target = method, target
        self._grid, self._upsample = grid, SmoothMaximum(grid, cells)
        self._pyramid = PYRAMIDS[method.perturbation](frames)
        self._network, self._chunks = accelerated(classifier), Chunks(method.batch_size)
        self._cells, self._optimizer = cells, method.optimizer.start(cells)
        self._masks = found.flatten(0, 1)

    def iterate(self, iteration: int) -> None:
        """Look at the masks as they are, then move them."""
        pace = self._method.optimizer.pace(iteration, self._method.num_iter)
        weights = self._method.weights(pace)
        gradient, seen = torch.empty_like(self._cells), torch.empty_like(self._masks)
        numbers: dict[int, Numbers] = {}

        def run(part: slice) -> None:
            slopes, masks, row = self._look(weights, part)
            gradient[part], seen[part], numbers[part.start] = slopes, masks, row

        self._chunks(len(self.rows), run)
        parts = [numbers[start] for start in sorted(numbers)]
        whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        self.rows.add(whole, (*weights.values(), pace.learning_rate))
        self._masks, self._cells.grad = seen, gradient
        self._optimizer.param_groups[0]["lr"] = pace.learning_rate
        self._optimizer.step()
        with torch.no_grad():
            self._cells.clamp_(0, 1)

    def go_on(self) -> bool:
        """Put away what has come to rest; whether anything is left."""
        rest = self.rows.at_rest()
        if rest.any():
            stay = self.rows.leave(self._masks, rest)
            self._cells, self._masks = keep(self._optimizer, stay), self._masks[stay]
        return len(self.rows) > 0

    def masks(self) -> Float[Tensor, "a b 1 t h w"]:
        """The masks of each one's last iteration, before its step."""
        return self.rows.finish(self._masks)[:, :, None]

    def _look(self, weights: Mapping[str, float], part: slice) -> tuple[Coarse, Visible, Numbers]:
        """The gradient of some rows' energy, their masks, and the numbers to keep.

        Masks are sums of large numbers that cancel, which TF32 would spoil.
        """
        cells = self._cells.detach()[part].requires_grad_()
        with without_tf32():
            padded = self._upsample(cells)
        masks = self._grid.crop(padded)
        levels = levels_of(self._pyramid, self.rows.clips[part])
        target = self.rows.of(self._target)[part]
        answer = reward(self._method.variant, self._network, levels, masks.detach(), target)
        with without_tf32():
            terms = self._terms(padded, part)
            weighted = [weights[name] * terms[name] for name in terms if weights[name]]
            regul = torch.stack(weighted).sum(0) if weighted else torch.zeros_like(answer.loss)
            # the network's part of the gradient is known already
            known = weights[_REWARD] * (answer.gradient * masks).sum()
            (gradient,) = torch.autograd.grad(regul.sum() + known, cells)
        loss = weights[_REWARD] * answer.loss
        numbers = {
            "energy": loss + regul,
            _REWARD: loss,
            "regul": regul,
            "probability": answer.probability,
            **terms,
            "visible_area": masks.mean(dim=(1, 2, 3)),
        }
        detached = {name: value.detach() for name, value in numbers.items()}
        return gradient, masks.detach(), detached

    def _terms(self, padded: Padded, part: slice) -> dict[str, Float[Tensor, "n"]]:
        """Unweighted; rows of one area lie together."""
        counts = Counter(self.rows.areas[part])
        sets = list(zip(counts, torch.split(padded, list(counts.values())), strict=True))
        return {
            name: torch.cat([term(masks, area) for area, masks in sets])
            for name, term in self._method.terms.items()
        }


def _summed(masks: Attribution, sigma: float) -> Attribution:
    """One map a clip from the masks of several areas, and each area's curves by its name."""
    total = gaussian_blur(masks.values.sum(dim=0), sigma)
    highest = total.amax(dim=(1, 2, 3, 4), keepdim=True).clamp_min(torch.finfo(total.dtype).tiny)
    curves = {
        f"{name}_area{area!r}": curve[index : index + 1]
        for name, curve in masks.curves.items()
        for index, area in enumerate(masks.areas or ())
    }
    return Attribution((total / highest)[None], masks.target, None, curves, signed=False)


def _show(bar: tqdm, rows: Rows) -> None:  # type: ignore[type-arg]
    """Put the numbers beside the progress bar."""
    if not bar.disable:
        reward_now, area_now = rows.last(_REWARD).mean(), rows.last("visible_area").mean()
        bar.set_postfix_str(f"reward {reward_now:.3g}, visible area {area_now:.2f}", refresh=False)
