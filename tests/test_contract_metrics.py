"""Every metric of conf/metrics, and values computed by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from videxplain import catalog
from videxplain.metrics.causal import Preserved, ProbabilityDeleted, ProbabilityKept
from videxplain.metrics.localisation import TopPrecision
from videxplain.metrics.masks import ConvergedAt, VisibleArea
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Attribution, Clips, Metric

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
    metric = catalog.build(catalog.section("metrics", name), "metrics")[name]
    assert isinstance(metric, Metric)
    assert metric.name == name
    assert metric(bright, CLIPS, masks(0.2, 0.5, 1.0)).shape == (3, 2)
    noise = Attribution(torch.rand(1, 2, 3, 2, 4, 4), TARGET)
    assert metric(bright, CLIPS, noise).shape == (1, 2)


def test_kept_and_deleted_by_hand(bright: VideoClassifier) -> None:
    found = ProbabilityKept("fade")(bright, CLIPS, masks(1.0, 0.25))
    wanted = [[_sigmoid(8), _sigmoid(-8)], [_sigmoid(2), _sigmoid(-2)]]
    assert found.tolist() == [pytest.approx(row, rel=1e-5) for row in wanted]
    rest = ProbabilityDeleted("fade")(bright, CLIPS, masks(1.0, 0.25))
    wanted = [[0.5, 0.5], [_sigmoid(6), _sigmoid(-6)]]
    assert rest.tolist() == [pytest.approx(row, rel=1e-5) for row in wanted]
    assert Preserved("fade")(bright, CLIPS, masks(0.5)).tolist() == [[1.0, 0.0]]


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
