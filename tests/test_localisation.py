"""Metrics against known evidence, and of an attribution's spread: values computed by hand."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import videxplain as vx
from tests.formulas import SmallNet
from videxplain import building, catalog
from videxplain.measures import Metric
from videxplain.metrics.localisation import (
    EnergyInside,
    IoUAtArea,
    PointingGame,
    PrecisionAtArea,
    TemporalIoU,
    TemporalPointingGame,
    TopPrecision,
)
from videxplain.metrics.spread import (
    Entropy,
    Gini,
    SpatialSmoothness,
    TemporalSmoothness,
    TemporalSpread,
)
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Attribution, Clips

LOCATED = (
    *(PointingGame, TemporalPointingGame, EnergyInside, PrecisionAtArea, IoUAtArea),
    TemporalIoU,
)
SPREAD = (Gini, Entropy, TemporalSpread, SpatialSmoothness, TemporalSmoothness)
T, H, W = 3, 4, 5


@pytest.fixture
def net() -> VideoClassifier:
    return VideoClassifier(SmallNet())


def box() -> Tensor:
    """Evidence: rows 1 to 2, columns 3 to 4, in frames 0 and 1."""
    truth = torch.zeros(1, T, H, W, dtype=torch.bool)
    truth[:, :2, 1:3, 3:5] = True
    return truth


def measure(metric: Metric, values: Tensor, truth: Tensor | None, net: VideoClassifier) -> float:
    """Of one map ``t h w``."""
    clips = Clips(torch.zeros(1, 3, *values.shape), truth=truth)
    found = metric(net, clips, Attribution(values[None, None, None].float(), torch.tensor([0])))
    assert found.shape == (1, 1)
    return found.item()


def points(*places: tuple[int, int, int]) -> Tensor:
    values = torch.zeros(T, H, W)
    for number, place in enumerate(places):
        values[place] = 1 + number
    return values


def test_pointing_counts_frames_with_evidence(net: VideoClassifier) -> None:
    game = PointingGame()
    assert measure(game, points((0, 1, 3), (1, 2, 4)), box(), net) == 1
    assert measure(game, points((0, 1, 3), (1, 0, 0)), box(), net) == 0.5
    assert measure(game, points((0, 3, 1), (1, 3, 1), (2, 1, 3)), box(), net) == 0, "not transposed"
    flat = measure(game, torch.ones(T, H, W), box(), net)
    assert flat == pytest.approx(4 / (H * W)), "as by chance"


def test_pointing_within_a_distance(net: VideoClassifier) -> None:
    beside = points((0, 1, 2), (1, 0, 2))  # one to the left; one up and one to the left
    assert measure(PointingGame(tolerance=0), beside, box(), net) == 0
    assert measure(PointingGame(tolerance=1), beside, box(), net) == 0.5
    assert measure(PointingGame(tolerance=2), beside, box(), net) == 1


def test_pointing_in_time(net: VideoClassifier) -> None:
    game = TemporalPointingGame()
    assert measure(game, points((1, 0, 0)), box(), net) == 1
    assert measure(game, points((1, 0, 0), (2, 0, 0)), box(), net) == 0
    assert measure(game, torch.ones(T, H, W), box(), net) == pytest.approx(2 / 3)


def test_energy_iou_and_precision(net: VideoClassifier) -> None:
    values = points((0, 1, 3), (2, 0, 0), (1, 2, 4))  # 1, 2, 3
    assert measure(EnergyInside(), values, box(), net) == pytest.approx(4 / 6)
    values = torch.arange(T * H * W).reshape(T, H, W).float()  # the 8 highest: 52 to 59, frame 2
    assert measure(PrecisionAtArea(), values, box(), net) == 0
    values = box()[0] * values
    values[2, 0, 0] = 100  # pushes the lowest of the evidence out
    assert measure(PrecisionAtArea(), values, box(), net) == pytest.approx(7 / 8)
    assert measure(IoUAtArea(), values, box(), net) == pytest.approx(7 / 9)


def test_iou_in_time(net: VideoClassifier) -> None:
    assert measure(TemporalIoU(), points((0, 0, 0), (1, 0, 0)), box(), net) == 1
    assert measure(TemporalIoU(), points((0, 0, 0), (2, 0, 0)), box(), net) == pytest.approx(1 / 3)


@pytest.mark.parametrize("metric", [*LOCATED, TopPrecision])
def test_what_cannot_be_told_is_nan(metric: Callable[[], Metric], net: VideoClassifier) -> None:
    some = points((0, 1, 3))
    assert math.isnan(measure(metric(), some, torch.zeros_like(box()), net))
    assert math.isnan(measure(metric(), some, None, net))


@pytest.mark.parametrize("metric", [*LOCATED, TopPrecision])
def test_nothing_attributed_scores_as_a_flat_map(
    metric: Callable[[], Metric], net: VideoClassifier
) -> None:
    nothing = measure(metric(), torch.zeros(T, H, W), box(), net)
    if isinstance(metric(), EnergyInside):
        assert math.isnan(nothing), "a share of nothing"
    else:
        assert nothing == measure(metric(), torch.ones(T, H, W), box(), net)


@pytest.mark.parametrize("metric", LOCATED)
def test_the_truth_is_best_and_its_inverse_worst(metric: Callable[[], Metric]) -> None:
    classifier = vx.load_model("tiny_tsm")
    clips = classifier.preprocess(vx.shapes(num_clips=6))
    assert clips.truth is not None
    assert clips.labels is not None
    truth = clips.truth.float()[:, None]
    found = metric()(classifier, clips, Attribution(torch.stack([truth, 1 - truth]), clips.labels))
    assert found[0].tolist() == pytest.approx([1.0] * 6)
    worst = torch.zeros(6)
    if isinstance(metric(), TemporalIoU):  # some of so many frames must be hit
        moving = clips.truth.flatten(2).any(dim=-1).sum(dim=-1)
        share = (2 * moving - 16).clamp_min(0) / moving
        worst = share / (2 - share)
    assert found[1].tolist() == pytest.approx(worst.tolist())


def test_a_single_voxel_and_a_flat_map(net: VideoClassifier) -> None:
    one, flat, n = points((1, 2, 2)), torch.ones(T, H, W), T * H * W
    expected: dict[Callable[[], Metric], tuple[float, float]] = {
        Gini: (1 - 1 / n, 0),
        Entropy: (0, 1),
        TemporalSpread: (1 / T, 1),
        SpatialSmoothness: (0, 1),
        TemporalSmoothness: (0, 1),
    }
    for metric, (alone, even) in expected.items():
        assert measure(metric(), one, None, net) == pytest.approx(alone, abs=1e-6), metric
        assert measure(metric(), flat, None, net) == pytest.approx(even, abs=1e-6), metric
        assert math.isnan(measure(metric(), torch.zeros(T, H, W), None, net))


def test_spread_by_hand(net: VideoClassifier) -> None:
    values = torch.tensor([[[1.0, 3.0]], [[2.0, 2.0]]])  # two frames of 1 x 2
    assert measure(Gini(), values, None, net) == pytest.approx(
        1 - 2 * (1 * 3.5 + 2 * 2.5 + 2 * 1.5 + 3 * 0.5) / 4 / 8
    )
    shares = [1 / 8, 3 / 8, 2 / 8, 2 / 8]
    entropy = -sum(p * math.log(p) for p in shares) / math.log(4)
    assert measure(Entropy(), values, None, net) == pytest.approx(entropy)
    assert measure(TemporalSpread(), values, None, net) == pytest.approx(1)
    assert measure(SpatialSmoothness(), values, None, net) == pytest.approx(1 - 2 / 8)
    assert measure(TemporalSmoothness(), values, None, net) == pytest.approx(1 - 2 / 8)


def test_on_shapes_the_truth_is_perfect_and_its_inverse_worst() -> None:
    """On clips as the network sees them, masks cropped with their frames."""
    classifier = vx.load_model("tiny_tsm", device="cpu")
    videos = building.build(catalog.section("data", "shapes", {"num_clips": 4}), "data")
    clips = classifier.preprocess(videos)
    assert clips.truth is not None
    assert clips.labels is not None
    truth = clips.truth.float()[None, :, None]
    for metric in LOCATED:
        perfect, inverted = (
            metric()(classifier, clips, Attribution(values, clips.labels)).flatten()
            for values in (truth, 1 - truth)
        )
        torch.testing.assert_close(perfect, torch.ones(4))
        if metric not in (TemporalIoU, TemporalPointingGame):  # all frames may hold evidence
            torch.testing.assert_close(inverted, torch.zeros(4))
