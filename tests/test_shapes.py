"""The clips made on the spot, and the two networks that read them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from videxplain import api
from videxplain.data.shapes import DIRECTIONS, FRAMES, SIZE, shape_clip, shapes
from videxplain.errors import ConfigError
from videxplain.models import tiny
from videxplain.models.classifier import VideoClassifier
from videxplain.models.preprocessing import normalise

NETWORKS = ["tiny_tsm", "tiny_r2plus1d"]
UNSEEN = 2  # another seed than the one of scripts/train_tiny.py
CHANCE = 1 / len(DIRECTIONS)


def test_the_same_numbers_give_the_same_clip() -> None:
    first, again, other = shape_clip(0, 5), shape_clip(0, 5), shape_clip(1, 5)
    assert np.array_equal(first.frames, again.frames)
    assert not np.array_equal(first.frames, other.frames)


@pytest.mark.parametrize("index", range(20))
def test_truth_is_where_the_clip_moves(index: int) -> None:
    clip = shape_clip(3, index)
    moving = np.flatnonzero(clip.truth.any((1, 2)))
    assert 8 <= len(moving) <= 14
    assert moving.tolist() == list(range(moving[0], moving[-1] + 1))
    changes = np.abs(np.diff(clip.frames.astype(int), axis=0)).sum((1, 2, 3))
    assert np.flatnonzero(changes).tolist() == moving[:-1].tolist()
    centres = np.array([np.argwhere(clip.truth[t]).mean(0) for t in moving])
    angle = np.arctan2(-(centres[-1] - centres[0])[0], (centres[-1] - centres[0])[1])
    assert round(angle / (2 * np.pi) * 8) % 8 == clip.label
    outside = ~clip.truth.any(0)
    assert np.array_equal(clip.frames[moving[0]][outside], clip.frames[moving[-1]][outside])


def test_the_background_is_the_clip_without_the_object() -> None:
    clip = shape_clip(0, 0)
    different = (clip.frames != clip.background).any(-1)
    assert not (different & ~clip.truth)[clip.truth.any((1, 2))].any()


def test_labels_and_names() -> None:
    videos = shapes(num_clips=40, seed=1)
    assert len({video.name for video in videos}) == 40
    assert {video.label for video in videos} == set(DIRECTIONS)
    for video in videos:
        assert str(video.label) == video.name.split("-")[0]
    assert (DIRECTIONS, FRAMES, SIZE) == (tiny.CLASS_NAMES, tiny.FRAMES, tiny.SIZE)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"num_clips": 0}, "data.num_clips=0: input should be greater than 0"),
        ({"num_clips": "many"}, "data.num_clips='many': input should be a valid integer"),
        ({"seed": -1}, "data.seed=-1: input should be greater than or equal to 0"),
    ],
)
def test_mistakes_are_told_in_a_sentence(changes: Mapping[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        shapes(**changes)


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_are_small(name: str) -> None:
    assert (tiny._WEIGHTS / f"{name}.safetensors").stat().st_size < 1_000_000


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_need_the_motion(name: str) -> None:
    _check(name, count=200)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_need_the_motion_on_a_thousand_clips(name: str) -> None:
    _check(name, count=1000)


def _check(name: str, count: int) -> None:
    """Right on unseen clips; near chance with shuffled frames or without the moving object."""
    classifier = api.load_model(name, device="cpu")
    generator = torch.Generator().manual_seed(0)
    right = dict.fromkeys(("seen", "shuffled", "erased"), 0)
    for index in range(count):
        clip = shape_clip(UNSEEN, index)
        order = torch.randperm(FRAMES, generator=generator)
        still = np.repeat(clip.background[None], FRAMES, axis=0)
        shown = np.stack([clip.frames, clip.frames[order], still])
        answers = _logits(classifier, shown).argmax(1).tolist()
        for kind, answer in zip(right, answers, strict=True):
            right[kind] += answer == clip.label
    share = {kind: hits / count for kind, hits in right.items()}
    assert share["seen"] >= 0.97
    assert share["shuffled"] <= CHANCE + 0.1
    assert share["erased"] <= CHANCE + 0.1


@torch.no_grad()
def _logits(classifier: VideoClassifier, pixels: np.ndarray) -> Tensor:
    colours = torch.from_numpy(pixels).float()
    logits: Tensor = classifier(normalise(colours, classifier.mean, classifier.std))
    return logits
