"""Gradient search for the mask of lowest energy."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
)
from pydantic.dataclasses import dataclass
from torch import Tensor
from tqdm import tqdm

from videxplain.chunks import Chunks, accelerated
from videxplain.filters import PYRAMIDS, gaussian_blur
from videxplain.methods.extremal.masks import (
    MaskGrid,
    Padded,
    SmoothMaximum,
    default_sigma,
    default_step,
)
from videxplain.methods.extremal.terms import Term
from videxplain.methods.extremal.variants import VARIANTS, Reward, reward
from videxplain.types import Attribution, Classifier, Clips, Cost, Targets

Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
"""A share strictly between 0 and 1."""

_SHOWN_EVERY = 10
"""Iterations between two looks at the numbers: reading them waits for the device."""


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, (int, float)) else value


def _distinct(areas: tuple[float, ...]) -> tuple[float, ...]:
    if len(set(areas)) < len(areas):
        message = "give each area once"
        raise ValueError(message)
    return areas


Areas = Annotated[
    tuple[Share, ...], BeforeValidator(_as_tuple), Field(min_length=1), AfterValidator(_distinct)
]
"""One area or several, each once."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid", arbitrary_types_allowed=True))
class ExtremalPerturbation:
    r"""Find, for each area, the mask of lowest energy.

    .. math:: E_t(m) = \lambda \cdot reward(m) + \sum_{term} \lambda_{term}(t) \cdot term(m)

    The reward of a clip with target probability ``p`` is ``-log p`` of the clip seen through the
    mask (``preserve``), ``-log(1 - p)`` of the clip with the mask's part removed (``delete``), or
    their sum (``dual``). The mask returned is the one of the last iteration, before its step.
    Li et al., WACV 2021, https://arxiv.org/abs/2005.00375; Fong et al., ICCV 2019.

    Attributes:
        perturb_area: Shares of the padded plane that the masks keep, each in (0, 1); one or
            several, all optimised in one batch.
        num_iter: Iterations, at least 1.
        terms: Penalties on the mask, by the name of their curve.
        reward_weight: :math:`\lambda`.
        perturbation: ``blur`` or ``fade``: what the masked part turns into.
        variant: ``preserve``, ``delete`` or ``dual``.
        step: Pixels between mask parameters; None is 7, or fewer where sigma is under 6.
        sigma: Width of the mask's kernel in pixels; None takes 12/112 of the frame, less one.
        learning_rate: Of SGD.
        momentum: Of SGD.
        dampening: Of SGD's momentum; the first step is not dampened.
        combine: ``sum`` gives one map a clip instead of a mask an area: the masks' sum, smoothed in
            each frame and divided by its maximum (Li et al., TCSVT 2021, arXiv 2109.00222).
        smooth_sigma: Width of that smoothing in pixels.
        batch_size: Clips that the network sees at once.
    """

    perturb_area: Areas
    num_iter: PositiveInt
    terms: Mapping[str, Term]
    reward_weight: NonNegativeFloat
    perturbation: Literal["blur", "fade"] = "blur"
    variant: Literal["preserve", "delete", "dual"] = "preserve"
    step: PositiveInt | None = None
    sigma: PositiveInt | None = None
    learning_rate: PositiveFloat = 0.05
    momentum: NonNegativeFloat = 0.9
    dampening: NonNegativeFloat = 0.9
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
        """A pass in each direction an iteration and area, two of each for ``dual``."""
        passes = self.num_iter * len(self.perturb_area) * len(VARIANTS[self.variant])
        return Cost(passes, passes)

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:
        """Optimise one mask an area and clip; clips and areas do not influence each other.

        Returns:
            Masks in [0, 1], and the curves ``energy``, ``reward`` and ``regul`` (weighted),
            ``probability``, ``visible_area``, and each term unweighted under its own name.
        """
        frames = clips.frames
        height, width = frames.shape[-2:]
        sigma = self.sigma or default_sigma(height, width)
        grid = MaskGrid(height, width, self.step or default_step(sigma), sigma)
        pyramid = PYRAMIDS[self.perturbation](frames)
        shape = (len(self.perturb_area), frames.shape[0], frames.shape[2], *grid.cells)
        precise = torch.promote_types(frames.dtype, torch.float32)  # for the masks' sake
        coarse = torch.ones(shape, dtype=precise, device=frames.device, requires_grad=True)
        upsample = SmoothMaximum(grid, coarse)
        optimiser = torch.optim.SGD([coarse], self.learning_rate, self.momentum, self.dampening)
        chunks, network = Chunks(self.batch_size), accelerated(classifier)
        history: list[dict[str, Float[Tensor, "a b"]]] = []
        with torch.enable_grad(), tqdm(total=self.num_iter, leave=False, disable=None) as bar:
            for iteration in range(self.num_iter):
                padded = upsample(coarse)
                masks = grid.crop(padded)
                answer = reward(self.variant, network, pyramid, masks, target, chunks)
                regul, row = self._energy(iteration, answer, padded)
                history.append({**row, "visible_area": masks.detach().mean(dim=(2, 3, 4))})
                # the network's part of the gradient is known already, one chunk at a time
                known = self.reward_weight * (answer.gradient * masks).sum()
                (coarse.grad,) = torch.autograd.grad(regul.sum() + known, coarse)
                optimiser.step()
                with torch.no_grad():
                    coarse.clamp_(0, 1)
                _show(bar, history)
        curves = {name: torch.stack([row[name] for row in history], dim=-1) for name in history[0]}
        found = Attribution(masks.detach()[:, :, None], target, self.perturb_area, curves)
        return found if self.combine is None else _summed(found, self.smooth_sigma)

    def _energy(
        self, iteration: int, answer: Reward, padded: Padded
    ) -> tuple[Float[Tensor, "a b"], dict[str, Float[Tensor, "a b"]]]:
        """The weighted terms, which carry a gradient, and the numbers to keep, which do not."""
        terms = {
            name: torch.stack(
                [term(one, area) for one, area in zip(padded, self.perturb_area, strict=True)]
            )
            for name, term in self.terms.items()
        }
        weights = {name: term.weight.at(iteration) for name, term in self.terms.items()}
        weighted = [weights[name] * terms[name] for name in terms if weights[name]]
        regul = torch.stack(weighted).sum(0) if weighted else torch.zeros_like(answer.loss)
        loss = self.reward_weight * answer.loss
        rows = {
            "energy": loss + regul,
            "reward": loss,
            "regul": regul,
            "probability": answer.probability,
            **terms,
        }
        return regul, {name: row.detach() for name, row in rows.items()}


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


def _show(bar: tqdm, history: list[dict[str, Float[Tensor, "a b"]]]) -> None:  # type: ignore[type-arg]
    """Move the progress bar; read the numbers now and then only."""
    bar.update()
    if not bar.disable and len(history) % _SHOWN_EVERY == 1:
        last = history[-1]
        reward_now, area_now = last["reward"].mean(), last["visible_area"].mean()
        bar.set_postfix_str(f"reward {reward_now:.3g}, visible area {area_now:.2f}", refresh=False)
