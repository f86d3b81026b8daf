"""Clips and settings of every kind for property tests.

hypothesis draws plain numbers, which it can print; `frames` and `explained` make tensors of them.
"""

from typing import Any, NamedTuple

import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from torch import nn

from tests.formulas import SmallNet
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Attribution, Clips

DTYPES = (torch.float32, torch.float64, torch.bfloat16)
CLASSES = 10


def bounded(examples: int) -> settings:
    """So many examples, always the same."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow],
    )


def classifier(dtype: torch.dtype, net: nn.Module | None = None) -> VideoClassifier:
    names = [str(index) for index in range(CLASSES)]
    return VideoClassifier(net or SmallNet(), cam_layer="layer4", class_names=names).to(dtype)


Drawn = dict[str, Any]

_CLIPS = {
    "clips": st.integers(1, 3),
    "length": st.integers(1, 12),
    "height": st.integers(8, 40),
    "width": st.integers(8, 40),
    "noise": st.integers(0, 99),
    "kind": st.sampled_from(["noise", "noise", "still", "flat"]),
    "scale": st.sampled_from([1.0, 1e-3, 30.0]),
    "labels": st.lists(st.integers(0, CLASSES - 1), min_size=3, max_size=3),
}
_AREAS = st.one_of(
    st.floats(0.01, 0.99),
    st.sampled_from([1e-6, 1 - 1e-6]),
    st.lists(st.floats(0.001, 0.999), min_size=2, max_size=4, unique=True),
)
_MAPS = {
    "areas": st.none() | st.lists(st.floats(0.01, 0.99), min_size=1, max_size=3, unique=True),
    "level": st.sampled_from([None, None, 0.0, 1.0, 1e-30]),
    "truth": st.sampled_from([None, 0.0, 0.1, 1.0]),
}
_CHANGES = {
    "perturb_area": _AREAS,
    "num_iter": st.integers(1, 3),
    "step": st.none() | st.integers(1, 12),
    "sigma": st.none() | st.integers(1, 16),
    "perturbation": st.sampled_from(["blur", "fade"]),
    "variant": st.sampled_from(["preserve", "delete", "dual"]),
    "combine": st.sampled_from([None, None, "sum"]),
    "smooth_sigma": st.sampled_from([0.0, 0.5, 10.0]),
    "early_stop": st.booleans(),
    "perturb": st.sampled_from(["quick", "paper"]),
    "batch_size": st.integers(1, 5),
    "steps": st.integers(1, 5),
    "samples": st.integers(1, 5),
    "spread": st.floats(0.01, 2),
    "statistic": st.sampled_from(["mean", "square", "variance"]),
    "rule": st.sampled_from(["midpoint", "left"]),
    "baseline": st.sampled_from(["black", "blur", "mean", "zero"]),
    "average": st.sampled_from(["space_time", "space"]),
    "score": st.sampled_from(["logit", "probability", "log_probability"]),
    "grid": st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)),
    "centred": st.booleans(),
    "kept": st.floats(0.1, 0.9),
    "channels": st.integers(1, 30),
    "seed": st.integers(0, 3),
}


drawn_clips = st.fixed_dictionaries(_CLIPS)
drawn_maps = st.fixed_dictionaries({**_CLIPS, **_MAPS})
drawn_changes = st.fixed_dictionaries(_CHANGES)
drawn_dtypes = st.sampled_from(DTYPES)


def make_clips(drawn: Drawn, dtype: torch.dtype = torch.float32) -> Clips:
    """Noise, a still picture, or one colour, at any brightness."""
    count, *size = (drawn[key] for key in ("clips", "length", "height", "width"))
    shapes = {"noise": size, "still": (1, *size[1:]), "flat": (1, 1, 1)}
    noise = torch.randn((count, 3, *shapes[drawn["kind"]]), generator=_generator(drawn))
    frames = (drawn["scale"] * noise).expand(count, 3, *size).contiguous().to(dtype)
    return Clips(frames, torch.tensor(drawn["labels"][:count]))


class Explained(NamedTuple):
    """Clips and something that explains them, whatever made it.

    Attributes:
        clips: With or without their evidence.
        attribution: Masks, or a signed map.
    """

    clips: Clips
    attribution: Attribution


def make_explained(drawn: Drawn) -> Explained:
    """In float64: a batch changes the rounding, which a quotient of small numbers would show."""
    clips, level, areas = make_clips(drawn, torch.float64), drawn["level"], drawn["areas"]
    assert clips.labels is not None
    count, _, *size = clips.frames.shape
    generator = _generator(drawn)
    if areas is not None:
        values = torch.rand((len(areas), count, 1, *size), generator=generator).double()
        values = values if level is None else torch.full_like(values, level)
    else:
        values = (level or 1) * torch.randn((1, count, 3, *size), generator=generator).double()
    labels = clips.labels
    if drawn["truth"] is not None:
        truth = torch.rand((count, *size), generator=generator) < drawn["truth"]
        clips = Clips(clips.frames, labels, truth=truth)
    return Explained(clips, Attribution(values, labels, tuple(areas) if areas else None))


def _generator(drawn: Drawn) -> torch.Generator:
    return torch.Generator().manual_seed(drawn["noise"])
