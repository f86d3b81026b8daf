"""The two attributions that know nothing."""

import torch

from tests.formulas import clip
from videxplain import api
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Clips


def test_random_depends_on_seed_and_name_alone(small: VideoClassifier) -> None:
    clips = Clips(clip(2, 4, 32, 32))
    swapped = Clips(clips.frames.flip(0), None, clips.names[::-1])
    first = api.explain(small, clips, "random")
    again = api.explain(small, swapped, "random")
    other = api.explain(small, clips, "random", seed=1)
    assert torch.equal(first.values[:, 0], again.values[:, 1])
    assert not torch.equal(first.values, other.values)


def test_center_peaks_in_the_middle_of_space_and_time(small: VideoClassifier) -> None:
    bell = api.explain(small, Clips(clip(1, 16, 64, 64)), "center").values[0, 0, 0]
    assert bell[7:9, 31:33, 31:33].min() > 0.98
    assert bell[0].max() < bell[8].max()
    torch.testing.assert_close(bell, bell.flip(0, 1, 2))
