"""Every metric of conf/metrics, and values computed by hand."""

import math
from typing import ClassVar, get_args

import pytest
import torch
from torch import Tensor, nn

from videxplain import building, catalog
from videxplain.measures import Category, Check, Metric
from videxplain.metrics.causal import (
    AverageDrop,
    AverageIncrease,
    Preserved,
    ProbabilityDeleted,
    ProbabilityKept,
)
from videxplain.metrics.localisation import TopPrecision
from videxplain.metrics.masks import ConvergedAt, VisibleArea, cut
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Attribution, Clips, Cost

CLIPS = Clips(torch.ones(2, 3, 2, 4, 4), truth=torch.zeros(2, 2, 4, 4, dtype=torch.bool))
TARGET = torch.tensor([0, 1])


class Brightness(nn.Module):
    """Logits ``[mean, -mean]``, so that class 0 is a bright clip."""

    def forward(self, frames: Tensor) -> Tensor:
        mean = 4 * frames.mean((1, 2, 3, 4))
        return torch.stack([mean, -mean], dim=1)


@pytest.fixture
def bright() -> VideoClassifier:
    return VideoClassifier(Brightness(), frames=2, size=(4, 4))


def masks(*levels: float) -> Attribution:
    values = torch.tensor(levels).reshape(-1, 1, 1, 1, 1, 1).expand(-1, 2, 1, 2, 4, 4)
    return Attribution(values, TARGET, areas=tuple(0.1 * (i + 1) for i in range(len(levels))))


@pytest.mark.parametrize("name", catalog.names("metrics"))
def test_contract(name: str, bright: VideoClassifier) -> None:
    metric = building.build(catalog.section("metrics", name), "metrics")[name]
    assert metric.name == name
    assert metric.category in get_args(Category)
    assert metric.citation
    for given in (masks(0.2, 0.5, 1.0), Attribution(torch.rand(1, 2, 3, 2, 4, 4), TARGET)):
        frames = CLIPS.frames.clone()
        if isinstance(metric, Check):
            method = Constant(given)
            found = metric(bright, method, CLIPS, given)
            weightless = metric.name.endswith("_randomisation") and metric.name[:5] != "label"
            needless = weightless or metric.name == "seed_stability"
            assert method.calls == [0 if needless else metric.explanations]
        else:
            assert isinstance(metric, Metric)
            found = metric(bright, CLIPS, given)
        assert found.shape == given.values.shape[:2]
        assert torch.equal(frames, CLIPS.frames)


class Constant:
    """A method that always says the same."""

    signed: ClassVar[bool] = False
    complete: ClassVar[bool] = False
    deterministic: ClassVar[bool] = True
    citation: ClassVar[str] = "a test"

    def __init__(self, says: Attribution) -> None:
        self.says, self.calls = says, [0]

    @property
    def cost(self) -> Cost:
        return Cost(0, 0)

    def __call__(self, classifier: object, clips: Clips, target: Tensor) -> Attribution:  # noqa: ARG002
        self.calls[0] += 1
        return self.says


@pytest.mark.parametrize("name", catalog.names("metrics"))
def test_passes_are_as_declared(name: str, bright: VideoClassifier) -> None:
    """Per clip and area, on clips with more units than steps."""
    many = {"block": 1, "num_segments": 10**6}
    keys = catalog.section("metrics", name)[name]
    changes = {name: {key: value for key, value in many.items() if key in keys}}
    metric = building.build(catalog.section("metrics", name, changes), "metrics")[name]
    if isinstance(metric, Check):
        assert metric.cost == Cost(0, 0)
        return
    clip = Clips(torch.rand(1, 3, 130, 4, 4), truth=torch.ones(1, 130, 4, 4, dtype=torch.bool))
    of_maps = name in ("completeness",)
    shape = (1, 1, 3 if of_maps else 1, 130, 4, 4)
    given = Attribution(torch.rand(shape), TARGET[:1], None if of_maps else (0.1,))
    asked, _ = 0, bright.class_names  # which asks once

    def count(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:  # noqa: ARG001
        nonlocal asked
        asked += len(output)

    with bright.net.register_forward_hook(count):
        metric(bright, clip, given)
    assert (asked, 0) == metric.cost


def test_kept_and_deleted_by_hand(bright: VideoClassifier) -> None:
    found = ProbabilityKept("fade")(bright, CLIPS, masks(1.0, 0.25))
    wanted = [[_sigmoid(8), _sigmoid(-8)], [_sigmoid(2), _sigmoid(-2)]]
    assert found.tolist() == [pytest.approx(row, rel=1e-5) for row in wanted]
    rest = ProbabilityDeleted("fade")(bright, CLIPS, masks(1.0, 0.25))
    wanted = [[0.5, 0.5], [_sigmoid(6), _sigmoid(-6)]]
    assert rest.tolist() == [pytest.approx(row, rel=1e-5) for row in wanted]
    assert Preserved("fade")(bright, CLIPS, masks(0.5)).tolist() == [[1.0, 0.0]]


def test_average_drop_and_increase_by_hand(bright: VideoClassifier) -> None:
    whole, half = _sigmoid(8), _sigmoid(4)
    drop = AverageDrop(perturbation="fade")(bright, CLIPS, masks(0.5))
    assert drop.tolist() == [pytest.approx([(whole - half) / whole, 0.0], rel=1e-5)]
    rise = AverageIncrease(perturbation="fade")(bright, CLIPS, masks(0.5))
    assert rise.tolist() == [[0.0, 1.0]], "less light is more of class 1"
    values = torch.zeros(1, 2, 1, 2, 4, 4)
    values[:, :, :, 0] = 7.0  # a map is stretched: the first of two frames is shown
    values[:, :, :, 1] = 3.0
    shown = AverageDrop(perturbation="fade")(bright, CLIPS, Attribution(values, TARGET))
    torch.testing.assert_close(shown, drop)


def test_a_map_is_cut_into_masks() -> None:
    values = torch.arange(32.0).reshape(1, 1, 1, 2, 4, 4).repeat(1, 2, 1, 1, 1, 1)
    found = cut(Attribution(values - 16, TARGET), [0.25, 0.5], "positive")
    assert found.areas == (0.25, 0.5)
    wanted = torch.stack([values[0] >= 24, values[0] >= 16]).float()
    assert torch.equal(found.values[0], wanted[0])
    half = found.values[1, 0].flatten()
    assert half[17:].eq(1).all(), "15 voxels are above 0"
    assert half[:17].tolist() == pytest.approx([1 / 17] * 17), "the rest share the last one"


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_visible_area_is_the_mean_of_a_mask(bright: VideoClassifier) -> None:
    assert VisibleArea()(bright, CLIPS, masks(0.2, 0.5)).tolist() == [
        pytest.approx([0.2, 0.2]),
        pytest.approx([0.5, 0.5]),
    ]
    gradient = Attribution(torch.rand(1, 2, 3, 2, 4, 4), TARGET)
    assert VisibleArea()(bright, CLIPS, gradient).isnan().all()


def test_converged_at_counts_from_the_last_move(bright: VideoClassifier) -> None:
    area = torch.tensor([0.9, 0.5, 0.115, 0.105] + 20 * [0.1]).expand(1, 2, 24)
    steady = torch.full((24,), 0.8)
    late = torch.stack([steady, steady.clone().index_fill_(0, torch.arange(23), 0.1)])[None]
    found = converged(bright, area, late)
    assert found[0, 0] == 4
    assert found[0, 1].isnan(), "still moving in the last iteration"
    short = converged(bright, area[..., :23], late[..., :23])
    assert short[0, 0].isnan(), "19 iterations at rest are not enough to tell"


def converged(classifier: VideoClassifier, area: Tensor, probability: Tensor) -> Tensor:
    curves = {"visible_area": area, "probability": probability}
    searched = Attribution(masks(0.1).values, TARGET, (0.1,), curves)
    return ConvergedAt()(classifier, CLIPS, searched)


def test_top_precision_by_hand(bright: VideoClassifier) -> None:
    truth = torch.zeros(2, 2, 4, 4, dtype=torch.bool)
    truth[:, 1, :2, :2] = True  # 4 of 32 voxels
    clips = Clips(CLIPS.frames, truth=truth)
    perfect = truth.float()[None, :, None]
    found = {
        name: TopPrecision(share=4 / 32)(bright, clips, Attribution(values, TARGET))[0, 0].item()
        for name, values in {
            "perfect": perfect,
            "inverted": 1 - perfect,
            "flat": torch.ones_like(perfect),
            "negative": -perfect,
        }.items()
    }
    assert found == pytest.approx({"perfect": 1, "inverted": 0, "flat": 0.125, "negative": 0.125})
    assert TopPrecision()(bright, Clips(CLIPS.frames), masks(0.5)).isnan().all()
