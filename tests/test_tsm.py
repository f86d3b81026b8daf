"""TSM: what the shift does, and what TSN lacks."""

from typing import Any

import pytest
import torch

import videxplain as vx
from tests.formulas import clip, fill
from videxplain import api
from videxplain.errors import ConfigError
from videxplain.models.classifier import VideoClassifier
from videxplain.models.tsm import shift_in_time
from videxplain.sampling import sample


def tsm(**changes: Any) -> VideoClassifier:  # noqa: ANN401
    classifier = api.load_model("tsm", weights="random", device="cpu", **changes)
    classifier.net.load_state_dict(fill(classifier.net.state_dict()))
    return classifier


def test_the_shift_to_the_letter() -> None:
    features = torch.arange(2 * 3 * 16.0).reshape(2, 3, 16, 1, 1) + 1
    shifted = shift_in_time(features)
    wanted = torch.zeros_like(features)
    wanted[:, :-1, :2] = features[:, 1:, :2]
    wanted[:, 1:, 2:4] = features[:, :-1, 2:4]
    wanted[:, :, 4:] = features[:, :, 4:]
    assert torch.equal(shifted, wanted)


def test_only_the_shift_makes_the_order_of_frames_count() -> None:
    frames = clip(1, 8, 64, 64)
    swapped = frames[:, :, [1, 0, *range(2, 8)]]
    with_shift, without = tsm(), tsm(shift=False)
    torch.testing.assert_close(without(frames), without(swapped), atol=1e-5, rtol=0)
    assert (with_shift(frames) - with_shift(swapped)).abs().max() > 1e-3


def test_a_tsn_averages_its_frames() -> None:
    frames = clip(1, 8, 64, 64)
    one = tsm(shift=False, frames=1)
    alone = torch.stack([one(frames[:, :, t : t + 1]) for t in range(8)]).mean(dim=0)
    torch.testing.assert_close(tsm(shift=False)(frames), alone, atol=1e-5, rtol=1e-5)


def test_colours_and_frames_reach_the_network_in_order() -> None:
    classifier = tsm()
    frames = clip(2, 8, 64, 64)
    directly = classifier.net(frames.transpose(1, 2).contiguous())
    torch.testing.assert_close(classifier(frames), directly)
    mixed = classifier.net(frames.reshape(2, 8, 3, 64, 64))  # the published command's mistake
    assert (mixed - directly).abs().max() > 1e-2


def test_another_length_is_told() -> None:
    classifier = tsm()
    with pytest.raises(ConfigError, match="clips of 8 frames and got 16: build it with frames=16"):
        classifier(clip(1, 16, 64, 64))
    assert tsm(frames=16)(clip(1, 16, 64, 64)).shape == (1, 400)


def test_sampling_follows_the_weights() -> None:
    rules = {
        weights: api.load_model("tsm", dataset, weights=weights).sampling
        for weights, dataset in (("random", "kinetics"), ("random", "epic-kitchens-verb"))
    }
    assert rules == {"random": "uniform"}
    assert tsm().sampling == "dense"
    assert tsm(sampling="center").sampling == "center"
    window = sample("dense", 100, 8, stride=8, name="a video")
    assert window == [18, 26, 34, 42, 50, 58, 66, 74]
    assert sample("dense", 20, 8, stride=8, name="a video") == [0, 8, 16, 4, 12, 0, 8, 16]


def test_preprocessing_is_that_of_the_training() -> None:
    classifier = tsm()
    assert (classifier.resize, classifier.size, classifier.layout) == (256, (224, 224), "b t c h w")
    assert classifier.mean.tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert classifier.std.tolist() == pytest.approx([0.229, 0.224, 0.225])
    assert (classifier.frames, classifier.stride) == (8, 8)


def test_frames_of_other_axes_are_told() -> None:
    with pytest.raises(ConfigError, match="give a batch b c t h w with 3 colours"):
        tsm()(torch.zeros(1, 8, 3, 64, 64))


def test_grad_cam_keeps_frames_and_clips_apart() -> None:
    """TSM's frames lie in the batch: the map of a clip is its own, frame by frame."""
    classifier = tsm(shift=False)  # so that a frame's features depend on that frame alone
    frames = clip(2, 8, 64, 64)
    frames[0, :, 3:] = 0
    frames[1] = frames[1, :, :1]
    clips = vx.Clips(frames)
    maps = vx.explain(classifier, clips, "grad_cam", 5).values[0, :, 0]
    assert maps.shape == (2, 8, 64, 64)
    torch.testing.assert_close(maps[1], maps[1, :1].expand(8, -1, -1))
    torch.testing.assert_close(maps[0, 4:], maps[0, 4:5].expand(4, -1, -1))
    assert (maps[0, 0] - maps[0, 4]).abs().max() > 0
    alone = vx.explain(classifier, vx.Clips(frames[1:]), "grad_cam", 5).values[0, 0, 0]
    torch.testing.assert_close(maps[1], alone, atol=1e-5, rtol=1e-3)
