"""Insertion and deletion by supervoxels: exact where the probability is the share of the light."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.test_insertion import Light
from videxplain.metrics.filling import Filling, segment_ranks
from videxplain.metrics.insertion import SupervoxelDeletionAUC, SupervoxelInsertionAUC
from videxplain.metrics.supervoxels import supervoxels
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Attribution, Clips

SIDE, ROW, COLUMN = 32, 20, 12
"""A picture of four rectangles that meet at this row and column."""
RECTANGLES = [
    (rows, columns)
    for rows in (slice(0, ROW), slice(ROW, SIDE))
    for columns in (slice(0, COLUMN), slice(COLUMN, SIDE))
]
SIZES = np.array([20 * 12, 20 * 20, 12 * 12, 12 * 20])
COLOURS = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.2, 1.0), (1.0, 1.0, 1.0))
FOUR, BY_COLOUR = 4, 0.1
"""Supervoxels, and their compactness, for which they are the rectangles."""
TARGET = torch.tensor([0])


@pytest.fixture
def light() -> VideoClassifier:
    """The probability of class 0 is the mean of all values."""
    names = ["light", "dark"]
    made = VideoClassifier(
        Light(), frames=1, size=(SIDE, SIDE), mean=(0, 0, 0), std=(1, 1, 1), class_names=names
    )
    return made.double()


def coloured(colours: Sequence[tuple[float, float, float]] = COLOURS) -> Clips:
    """A clip of one frame, a colour a rectangle."""
    frames = torch.zeros(1, 3, 1, SIDE, SIDE, dtype=torch.float64)
    for (rows, columns), colour in zip(RECTANGLES, colours, strict=True):
        frames[0, :, 0, rows, columns] = torch.tensor(colour, dtype=torch.float64)[:, None, None]
    return Clips(frames)


def of_rectangles(levels: Sequence[float]) -> Attribution:
    values = torch.zeros(1, 1, 1, 1, SIDE, SIDE, dtype=torch.float64)
    for (rows, columns), level in zip(RECTANGLES, levels, strict=True):
        values[..., rows, columns] = level
    return Attribution(values, TARGET)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_exact_on_a_network_that_sums_pixels(light: VideoClassifier) -> None:
    """A rectangle is as wide on the curve as it is large, whatever its saliency."""
    clips, given = coloured(), of_rectangles([0.3, 0.1, 0.9, 0.2])
    order = [2, 0, 3, 1]
    brightness = np.array([sum(colour) / 3 for colour in COLOURS])
    shares = np.cumsum([0, *SIZES[order]]) / SIZES.sum()
    shown = np.cumsum([0, *(brightness * SIZES)[order]]) / SIZES.sum()
    inserted = SupervoxelInsertionAUC(num_segments=FOUR, compactness=BY_COLOUR)
    curve = inserted.curve(light, clips, given)
    assert curve.of(0, 0)["shares"][:5] == pytest.approx(shares.tolist(), abs=1e-12)
    assert curve.of(0, 0)["values"][:5] == pytest.approx(shown.tolist(), abs=1e-12)
    assert set(curve.of(0, 0)["shares"][5:]) == {1.0}, "fewer supervoxels than steps"
    found = inserted(light, clips, given).item()
    assert found == pytest.approx(float(np.trapezoid(shown, shares)), rel=1e-12)
    deleted = SupervoxelDeletionAUC(num_segments=FOUR, compactness=BY_COLOUR)
    found = deleted(light, clips, given).item()
    assert found == pytest.approx(float(np.trapezoid(shown[-1] - shown, shares)), rel=1e-12)


def test_fewer_steps_take_several_at_once(light: VideoClassifier) -> None:
    metric = SupervoxelInsertionAUC(num_segments=FOUR, compactness=BY_COLOUR, steps=2)
    curve = metric.curve(light, coloured(), of_rectangles([0.3, 0.1, 0.9, 0.2]))
    first_two = (SIZES[2] + SIZES[0]) / SIZES.sum()
    assert curve.of(0, 0)["shares"] == pytest.approx([0, first_two, 1])


def test_the_order_is_by_the_mean_of_a_segment() -> None:
    segments = torch.tensor([[[0, 0, 0, 0, 1, 2, 2, 1]]])
    saliency = torch.tensor([0.5, 0, 0, 0, 0.3, 0.1, 0.1, 0.3]).reshape(1, 1, 1, 1, 8)
    ranks = segment_ranks(saliency, segments)
    assert ranks.flatten().tolist() == [1, 1, 1, 1, 0, 2, 2, 0]
    ranks = segment_ranks(torch.cat([saliency, 1 - saliency]), segments)
    assert ranks[0].flatten().tolist() == [1, 1, 1, 1, 0, 2, 2, 0]
    assert ranks[1].flatten().tolist() == [1, 1, 1, 1, 2, 0, 0, 2]
    way = Filling(torch.zeros(1, 3, 1, 1, 8), torch.ones(1, 3, 1, 1, 8), ranks, steps=9)
    assert way.voxel_shares[:, 0].tolist() == [[0, 0.25, 0.75, 1], [0, 0.25, 0.75, 1]]


def test_equal_segments_come_in_one_drawn_order() -> None:
    segments = torch.arange(32).repeat_interleave(2).reshape(1, 8, 8)
    ranks = segment_ranks(torch.ones(2, 1, 1, 8, 8), segments)
    first, second = (each.flatten()[::2].tolist() for each in ranks)
    assert first == second
    assert sorted(first) == list(range(32))
    assert first not in (list(range(32)), list(range(31, -1, -1)))


def test_no_order_is_better_than_that_of_the_light(light: VideoClassifier) -> None:
    """For supervoxels of any size: what the curve is drawn against is what the order is by."""
    clips = Clips(noise(1, 3, 4, 8, 8).repeat_interleave(4, -1).repeat_interleave(4, -2))
    metric = SupervoxelInsertionAUC(num_segments=40, steps=1000)
    pixels = clips.frames.mean(dim=1)[:, None, None]
    best = metric(light, clips, Attribution(pixels, TARGET)).item()
    others = [
        metric(light, clips, Attribution(noise(*pixels.shape, seed=seed), TARGET)).item()
        for seed in range(5)
    ]
    worst = metric(light, clips, Attribution(1 - pixels, TARGET)).item()
    assert worst < min(others)
    assert max(others) < best


@pytest.mark.parametrize("shape", [(1, 16, 24), (8, 1, 5), (6, 16, 24)])
def test_clips_of_every_shape_are_covered(shape: tuple[int, int, int]) -> None:
    clips = Clips(noise(2, 3, *shape))
    for index in range(2):
        segments = supervoxels(clips, index, 20, 10.0, 1.0)
        assert segments.shape == shape
        assert set(segments.flatten().tolist()) == set(range(int(segments.max()) + 1))


@pytest.mark.parametrize("num_segments", [1, 50, 10**6])
def test_a_clip_of_one_colour(light: VideoClassifier, num_segments: int) -> None:
    clips = Clips(torch.full((1, 3, 4, 16, 16), 0.5, dtype=torch.float64))
    given = Attribution(noise(1, 1, 1, 4, 16, 16), TARGET)
    metric = SupervoxelInsertionAUC(num_segments=num_segments)
    curve = metric.curve(light, clips, given)
    shares = np.array(curve.of(0, 0)["shares"])
    assert curve.of(0, 0)["values"] == pytest.approx((0.5 * shares).tolist())
    assert metric(light, clips, given).item() == pytest.approx(0.25)
    if num_segments == 1:
        assert set(shares) == {0, 1}, "one supervoxel: nothing or all"


def test_clips_do_not_depend_on_their_batch(light: VideoClassifier) -> None:
    """Although each has as many supervoxels as suit it."""
    frames = torch.cat([coloured().frames, noise(1, 3, 1, SIDE, SIDE)])
    values = noise(2, 2, 1, 1, SIDE, SIDE)
    targets = torch.tensor([0, 1])
    metric = SupervoxelDeletionAUC(num_segments=64, batch_size=3)
    both = metric.curve(light, Clips(frames), Attribution(values, targets, (0.1, 0.2)))
    for index in range(2):
        one = slice(index, index + 1)
        given = Attribution(values[:, one], targets[one], (0.1, 0.2))
        alone = metric.curve(light, Clips(frames[one]), given)
        for area in range(2):
            assert alone.of(area, 0) == both.of(area, index)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_clip_that_is_no_numbers_spoils_no_other(light: VideoClassifier, value: float) -> None:
    frames = torch.cat([coloured().frames, coloured().frames])
    frames[0, 0, 0, 5, 5] = value
    given = Attribution(noise(1, 2, 1, 1, SIDE, SIDE), TARGET.expand(2))
    found = SupervoxelInsertionAUC(num_segments=FOUR)(light, Clips(frames), given)
    assert found.isfinite().tolist() == [[False, True]]


def test_pictures_are_divided_where_there_are_some() -> None:
    """They are what people see; the network's colours serve clips made from tensors."""
    drawn = (255 * coloured().frames).round().to(torch.uint8)
    pixels = drawn.permute(0, 2, 3, 4, 1).numpy()
    flat = Clips(torch.zeros(1, 3, 1, SIDE, SIDE), pixels=pixels)
    found = supervoxels(flat, 0, FOUR, BY_COLOUR, 1.0)
    assert torch.equal(found, supervoxels(coloured(), 0, FOUR, BY_COLOUR, 1.0))
    assert [len(set(found[0][place].flatten().tolist())) for place in RECTANGLES] == [1, 1, 1, 1]


def test_spacing_is_the_distance_of_frames() -> None:
    """The farther apart frames are, the fewer of them a supervoxel has."""
    pixels = noise(1, 3, 12, 6, 6).repeat_interleave(4, -1).repeat_interleave(4, -2)
    lengths = []
    for spacing in (0.2, 20.0):
        segments = supervoxels(Clips(0.05 * pixels), 0, 60, 100.0, spacing)
        of_each = [(segments == each).any(dim=(1, 2)) for each in range(int(segments.max()) + 1)]
        lengths.append(float(torch.stack(of_each).float().sum(dim=1).mean()))
    assert lengths[0] > 2 * lengths[1]
