"""Insertion and deletion: exact where the probability is the share of the light."""

import time
from statistics import median

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import videxplain as vx
from videxplain.metrics.filling import unit_ranks
from videxplain.metrics.insertion import (
    DeletionAUC,
    DeletionLeRFAUC,
    InsertionAUC,
    InsertionLeRFAUC,
    MinimalPreservingArea,
    TemporalDeletionAUC,
    TemporalInsertionAUC,
)
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Attribution, Clips

SIZE = (3, 32, 48)
BLOCKS = (3, 2, 3)
TARGET = torch.tensor([0, 1])


class Light(nn.Module):
    """The probability of class 0 is the mean of all values, in [0, 1]."""

    def forward(self, frames: Tensor) -> Tensor:
        mean = frames.mean(dim=(1, 2, 3, 4))
        return torch.stack([mean, 1 - mean], dim=1).log()


@pytest.fixture
def light() -> VideoClassifier:
    classifier = VideoClassifier(
        Light(),
        frames=3,
        size=SIZE[1:],
        mean=(0, 0, 0),
        std=(1, 1, 1),
        class_names=["light", "dark"],
    )
    return classifier.double()


def lit(levels: Tensor) -> Tensor:
    """Blocks of 16 x 16 pixels with a level each."""
    return levels.repeat_interleave(16, dim=-2).repeat_interleave(16, dim=-1)


@pytest.fixture
def levels() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, *BLOCKS, generator=generator, dtype=torch.float64)


def clips(levels: Tensor) -> Clips:
    return Clips(lit(levels)[:, None].repeat(1, 3, 1, 1, 1), names=("a", "b"))


def attribution(*saliencies: Tensor) -> Attribution:
    return Attribution(torch.stack(saliencies)[:, :, None], TARGET)


def of_class(b: int, area: float) -> float:
    """The second clip is measured by the probability of the dark."""
    return area if b == 0 else 1 - area


def auc(ordered: np.ndarray) -> float:
    """Of a curve that rises by the levels in their order, from 0 at 0."""
    curve = np.concatenate([[0], np.cumsum(ordered)]) / ordered.size
    return float(np.trapezoid(curve, np.linspace(0, 1, curve.size)))


def test_exact_on_a_network_that_sums_pixels(light: VideoClassifier, levels: Tensor) -> None:
    given = attribution(lit(levels), lit(-levels + 2))
    inserted = InsertionAUC()(light, clips(levels), given)
    deleted = DeletionAUC()(light, clips(levels), given)
    for b in range(2):
        rising = np.sort(levels[b].flatten().numpy())
        best, worst = auc(rising[::-1]), auc(rising)
        wanted = [of_class(b, best), of_class(b, worst)]
        assert inserted[:, b].tolist() == pytest.approx(wanted, rel=1e-12)
        total = rising.mean()
        wanted = [of_class(b, total - best), of_class(b, total - worst)]
        assert deleted[:, b].tolist() == pytest.approx(wanted, rel=1e-12)


def test_the_order_is_by_the_mean_of_a_block(light: VideoClassifier, levels: Tensor) -> None:
    """Saliency inside a block may lie anywhere in it; what counts is how much there is."""
    points = torch.zeros(2, *SIZE, dtype=torch.float64)
    points[..., 5::16, 7::16] = levels
    exact = InsertionAUC()(light, clips(levels), attribution(lit(levels)))
    found = InsertionAUC()(light, clips(levels), attribution(points))
    torch.testing.assert_close(found, exact)


def test_fewer_steps_take_several_blocks_at_once(light: VideoClassifier, levels: Tensor) -> None:
    found = InsertionAUC(steps=4)(light, clips(levels), attribution(lit(levels)))
    for b in range(2):
        falling = np.sort(levels[b].flatten().numpy())[::-1]
        counts = np.round(np.linspace(0, 18, 5)).astype(int)
        curve = np.concatenate([[0], np.cumsum(falling)])[counts] / 18
        wanted = np.trapezoid(curve, counts / 18)
        assert found[0, b].item() == pytest.approx(of_class(b, wanted), rel=1e-12)


def test_blocks_at_the_end_may_be_smaller() -> None:
    saliency = torch.zeros(1, 1, 1, 20, 33)
    saliency[..., 16:, 32:] = 1.0  # 4 x 1 pixels: a block of its own, full
    saliency[..., :16, :16] = 0.5
    ranks = unit_ranks(saliency, (1, 16, 16))[0, 0, 0]
    assert ranks.shape == (20, 33)
    assert set(ranks[16:, 32:].flatten().tolist()) == {0}
    assert set(ranks[:16, :16].flatten().tolist()) == {1}
    assert set(ranks.flatten().tolist()) == set(range(6))


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_batches_change_nothing(light: VideoClassifier, levels: Tensor, batch_size: int) -> None:
    given = attribution(lit(levels), lit(levels.flip(1)))
    wanted = InsertionAUC()(light, clips(levels), given)
    found = InsertionAUC(batch_size=batch_size)(light, clips(levels), given)
    torch.testing.assert_close(found, wanted)


def test_signs_and_baselines(light: VideoClassifier, levels: Tensor) -> None:
    values = attribution(-lit(levels))
    negative = InsertionAUC(polarity="negative")(light, clips(levels), values)
    positive = InsertionAUC()(light, clips(levels), attribution(lit(levels)))
    torch.testing.assert_close(negative, positive)
    removed = DeletionAUC()(light, clips(levels), attribution(lit(levels)))
    by_sign = DeletionAUC(polarity="negative")(light, clips(levels), values)
    torch.testing.assert_close(by_sign, removed)
    for b in range(2):  # the mean of a clip instead of nothing lifts the curve by what is not lit
        total, share = levels[b].mean().item(), np.linspace(0, 1, 19)
        lift = float(np.trapezoid(total * (1 - share), share))
        given = attribution(lit(levels))
        for metric, plain, lifted in (
            (InsertionAUC(baseline="mean"), positive, lift),
            (DeletionAUC(baseline="mean"), removed, total - lift),
        ):
            found = metric(light, clips(levels), given)[0, b].item()
            shift = lifted if b == 0 else -lifted
            assert found == pytest.approx(plain[0, b].item() + shift, rel=1e-12)


def test_equal_blocks_come_in_one_drawn_order() -> None:
    ranks = unit_ranks(torch.ones(1, 2, 2, 64, 64), (1, 16, 16))[0]
    first, second = (each[:, ::16, ::16].flatten().tolist() for each in ranks)
    assert sorted(first) == list(range(32))
    assert first == second
    assert first not in (list(range(32)), list(range(31, -1, -1)))


def test_the_published_protocol_is_the_default() -> None:
    for metric in (InsertionAUC(), DeletionAUC()):
        assert (metric.block, metric.steps, metric.baseline) == (16, 128, "zero")


def test_least_relevant_first_is_the_opposite_order(light: VideoClassifier, levels: Tensor) -> None:
    given, opposite = attribution(lit(levels)), attribution(lit(2 - levels))
    for first, last in ((InsertionAUC, InsertionLeRFAUC), (DeletionAUC, DeletionLeRFAUC)):
        wanted = first()(light, clips(levels), opposite)
        torch.testing.assert_close(last()(light, clips(levels), given), wanted)


def test_either_order_walks_the_same_way(light: VideoClassifier) -> None:
    """Least relevant first out is most relevant first in, backwards; ties included."""
    levels = torch.zeros(2, *BLOCKS, dtype=torch.float64)
    levels[..., 0] = 0.7
    given = attribution(lit(levels))
    for one, other in ((InsertionAUC, DeletionLeRFAUC), (DeletionAUC, InsertionLeRFAUC)):
        there = one().curve(light, clips(levels), given)
        back = other().curve(light, clips(levels), given)
        torch.testing.assert_close(there.values, back.values.flip(-1))


def test_the_whole_curve(light: VideoClassifier, levels: Tensor) -> None:
    curve = InsertionAUC(steps=3)(light, clips(levels), attribution(lit(levels)))
    whole = InsertionAUC(steps=3).curve(light, clips(levels), attribution(lit(levels)))
    assert whole.shares.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    falling = np.sort(levels[0].flatten().numpy())[::-1]
    wanted = [0, falling[:6].sum() / 18, falling[:12].sum() / 18, falling.mean()]
    assert whole.values[0, 0].tolist() == pytest.approx(wanted, rel=1e-12)
    torch.testing.assert_close(whole.area(), curve)
    assert whole.of(0, 0)["values"] == whole.values[0, 0].tolist()


@pytest.mark.parametrize(("block", "frames"), [(1, 1), (4, 1), (16, 3), (16, 2), (64, 9)])
def test_units_of_any_size(light: VideoClassifier, levels: Tensor, block: int, frames: int) -> None:
    """With as many steps as units, the curve adds the units' light in falling order."""
    clip = clips(levels)
    metric = InsertionAUC(block=block, frames=frames, steps=10**6)
    pixels = lit(levels)
    units = [
        pixels[0, t : t + frames, y : y + block, x : x + block]
        for t, y, x in np.ndindex(*pixels.shape[1:])
        if t % frames == y % block == x % block == 0
    ]
    order = sorted(units, key=lambda unit: -unit.mean().item())
    curve = np.cumsum([0, *(unit.sum().item() for unit in order)]) / pixels[0].numel()
    wanted = float(np.trapezoid(curve, np.linspace(0, 1, len(curve))))
    found = metric(light, clip, attribution(pixels))[0, 0].item()
    assert found == pytest.approx(wanted, rel=1e-9)


def test_whole_frames(light: VideoClassifier, levels: Tensor) -> None:
    frames = np.sort(levels[0].mean(dim=(1, 2)).numpy())[::-1]
    given = attribution(lit(levels))
    found = TemporalInsertionAUC()(light, clips(levels), given)[0, 0].item()
    assert found == pytest.approx(auc(frames), rel=1e-12)
    found = TemporalDeletionAUC()(light, clips(levels), given)[0, 0].item()
    assert found == pytest.approx(levels[0].mean().item() - auc(frames), rel=1e-12)


def test_the_least_area_that_preserves(light: VideoClassifier) -> None:
    """Class 0 is the network's choice once more than half of the light is there."""
    levels = torch.zeros(2, *BLOCKS, dtype=torch.float64)
    levels.view(2, -1)[:, :12] = torch.linspace(0.9, 0.8, 12, dtype=torch.float64)
    best, worst = attribution(lit(levels)), attribution(lit(1 - levels))
    metric = MinimalPreservingArea(baseline="zero")
    found = metric(light, clips(levels), best)[0]
    assert found[0].item() == pytest.approx(11 / 18), "10 blocks of at most .9 are half of 18"
    assert found[1].isnan(), "the dark is not its choice for the whole clip"
    assert metric(light, clips(levels), worst)[0, 0].item() == pytest.approx(17 / 18)


@pytest.mark.slow
def test_128_steps_cost_what_their_passes_cost() -> None:
    """At most 1.1 times 128 forward passes, in batches of the same size."""
    classifier = vx.load_model("r3d", weights="random", device="cpu", frames=8)
    clip = Clips(torch.rand(1, 3, 8, 64, 64))
    given = Attribution(torch.rand(1, 1, 1, 8, 64, 64), torch.tensor([0]))
    metric = InsertionAUC(block=8, batch_size=8)
    batch = clip.frames.repeat(8, 1, 1, 1, 1)

    def passes() -> None:
        with torch.no_grad():
            for _ in range(16):
                classifier(batch)

    taken: dict[str, list[float]] = {"insertion": [], "passes": []}
    runs = {"insertion": lambda: metric(classifier, clip, given), "passes": passes}
    for run in runs.values():
        run()
    for _ in range(5):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - start)
    ratio = median(taken["insertion"]) / median(taken["passes"])
    assert ratio < 1.1, taken


@pytest.mark.parametrize("batch_size", [1, 5])
def test_memory_is_bounded_by_the_batch(light: VideoClassifier, batch_size: int) -> None:
    seen: list[int] = []
    light.net.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    levels = torch.rand(2, *BLOCKS, dtype=torch.float64)
    for metric in (InsertionAUC, DeletionAUC, MinimalPreservingArea, TemporalInsertionAUC):
        metric(batch_size=batch_size)(light, clips(levels), attribution(lit(levels), lit(levels)))
    assert max(seen) == batch_size
