"""A network whose evidence is known: it looks at one box of space and time, and nowhere else."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

import videxplain as vx
from videxplain import building, catalog
from videxplain.measures import Check, Metric
from videxplain.methods.center import Center
from videxplain.methods.random import Random
from videxplain.metrics.insertion import InsertionAUC
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Attribution, Classifier, Clips

T, H, W = 8, 32, 32
BOX = (slice(0, 3), slice(8, 16), slice(16, 24))
TARGET = torch.tensor([0])


class Oracle(nn.Module):
    """Class 0 is a bright box, class 1 a dark one."""

    def __init__(self) -> None:
        super().__init__()
        where = torch.zeros(3, T, H, W)
        where[(slice(None), *BOX)] = 1
        self.look = nn.Linear(where.numel(), 2, bias=False)
        self.look.weight.data = torch.stack([where.flatten(), -where.flatten()]) / 100

    def forward(self, frames: Tensor) -> Tensor:
        answer: Tensor = self.look(frames.flatten(1))
        return answer


@pytest.fixture
def oracle() -> VideoClassifier:
    return VideoClassifier(Oracle(), frames=T, size=(H, W))


@pytest.fixture
def clips() -> Clips:
    truth = torch.zeros(1, T, H, W, dtype=torch.bool)
    truth[(0, *BOX)] = True
    frames = torch.rand(1, 3, T, H, W, generator=torch.Generator().manual_seed(0))
    return Clips(frames, torch.tensor([0]), truth=truth)


def ground_truth_metrics() -> Mapping[str, Metric]:
    made = {
        name: building.build(catalog.section("metrics", name), "metrics")[name]
        for name in catalog.names("metrics")
    }
    return {name: each for name, each in made.items() if each.category == "ground truth"}


def explained(oracle: VideoClassifier, clips: Clips, method: str) -> Attribution:
    return vx.explain(oracle, clips, method=method)


def test_the_true_attribution_is_first_by_every_metric(
    oracle: VideoClassifier, clips: Clips
) -> None:
    true, center = explained(oracle, clips, "grad"), Center()(oracle, clips, TARGET)
    noise = [Random(seed)(oracle, clips, TARGET).values for seed in range(20)]
    others = (center, Attribution(torch.cat(noise), TARGET))
    metrics = ground_truth_metrics()
    assert len(metrics) == 7
    for name, metric in metrics.items():
        best = 192 / round(0.05 * T * H * W) if name == "top_precision" else 1.0
        assert metric(oracle, clips, true).item() == pytest.approx(best), name
        for other in others:
            assert metric(oracle, clips, other).mean() < 0.95 * best, name


def test_random_is_near_its_expectation(oracle: VideoClassifier, clips: Clips) -> None:
    draws = torch.rand(400, 1, 1, T, H, W, generator=torch.Generator().manual_seed(1))
    share = 192 / (T * H * W)
    expected = {
        "top_precision": share,
        "precision_at_area": share,
        "energy_inside": share,
        "iou_at_area": share / (2 - share),
        "pointing_game": 64 / (H * W),
        "temporal_pointing_game": 3 / 8,
        "temporal_iou": (30 / 5 + 15 * 2 / 4 + 1) / 56,  # 1, 2 or 3 frames of 3 among 8
    }
    metrics = ground_truth_metrics()
    assert set(metrics) == set(expected)
    for name, metric in metrics.items():
        values = metric(oracle, clips, Attribution(draws, TARGET))
        error = values.std().item() / 400**0.5
        assert abs(values.mean().item() - expected[name]) < 4 * error + 1e-4, name


@pytest.mark.parametrize("name", ["cascading_randomisation", "independent_randomisation"])
def test_randomisation_tells_what_ignores_the_weights(
    name: str, oracle: VideoClassifier, clips: Clips
) -> None:
    check: Check = building.build(catalog.section("metrics", name), "metrics")[name]
    before = {key: value.clone() for key, value in oracle.net.state_dict().items()}
    gradient = explained(oracle, clips, "grad")
    found = check(oracle, vx.load_method("grad"), clips, gradient).item()
    assert abs(found) < 0.1
    for method in (Center(), Random()):
        ignorant = method(oracle, clips, TARGET)
        assert check(oracle, method, clips, ignorant).item() == pytest.approx(1)
    after = oracle.net.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before), "the network is as it was"


class Layered(nn.Module):
    """Four layers with weights, so that their order can be told."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv3d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm3d(4)
        self.two = nn.Conv3d(4, 4, 3, padding=1, stride=2)
        self.head = nn.Linear(4, 2)
        self.norm.weight.data = torch.linspace(0.5, 2, 4)

    def forward(self, frames: Tensor) -> Tensor:
        features = self.two(self.norm(self.one(frames)).relu()).relu()
        answer: Tensor = self.head(features.mean(dim=(2, 3, 4)))
        return answer


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        (
            "cascading_randomisation",
            ["head", "head two", "head norm two", "head norm one two"],
        ),
        ("independent_randomisation", ["head", "two", "norm", "one"]),
    ],
)
def test_layers_are_randomised_from_the_output_to_the_input(
    name: str, changed: list[str], clips: Clips
) -> None:
    classifier = VideoClassifier(Layered(), frames=T, size=(H, W))
    before = {key: value.clone() for key, value in classifier.net.named_parameters()}
    seen: list[str] = []

    class Looking(Center):
        def __call__(self, classifier: Classifier, clips: Clips, target: Tensor) -> Attribution:
            assert isinstance(classifier, VideoClassifier)
            now = dict(classifier.net.named_parameters())
            other = {key for key in before if not torch.equal(before[key], now[key])}
            seen.append(" ".join(sorted({key.partition(".")[0] for key in other})))
            plain, quick = classifier(clips.frames), classifier.accelerated(clips.frames)
            torch.testing.assert_close(quick, plain)
            assert not torch.allclose(plain, whole), "its answer is not that of the network"
            return super().__call__(classifier, clips, target)

    whole = classifier.accelerated(clips.frames)
    check: Check = building.build(catalog.section("metrics", name), "metrics")[name]
    check(classifier, Looking(), clips, Center()(classifier, clips, TARGET))
    assert seen == changed


def test_insertion_ranks_the_true_attribution_first(oracle: VideoClassifier, clips: Clips) -> None:
    metric = InsertionAUC(block=8)
    true, random = (explained(oracle, clips, each) for each in ("grad", "random"))
    assert metric(oracle, clips, true) > metric(oracle, clips, random)
