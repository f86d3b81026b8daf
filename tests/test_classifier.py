"""What a VideoClassifier promises about any network, and what it refuses."""

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import videxplain as vx
from tests.formulas import SmallNet, clip
from tests.networks import Recurrent
from videxplain.errors import ConfigError, DataError
from videxplain.methods.gradient import Gradient
from videxplain.types import Classifier, Targets


class Spoils(nn.Module):
    """A first layer that works in place."""

    def forward(self, frames: Tensor) -> Tensor:
        return frames.mul_(2).mean((2, 3, 4))


def test_a_network_that_works_in_place_leaves_the_clips_alone() -> None:
    classifier = vx.VideoClassifier(Spoils(), frames=4, size=(8, 8))
    frames = clip(1, 4, 8, 8)
    found = vx.explain(classifier, vx.Clips(frames), "grad", 1)
    assert torch.equal(frames, clip(1, 4, 8, 8))
    assert found.values[0, 0, 1].flatten().tolist() == pytest.approx([2 / (4 * 8 * 8)] * 256)


def test_a_network_that_other_clips_break_says_what_it_was_given() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 32 * 32, 5))
    assert len(vx.VideoClassifier(flat, frames=8, size=(32, 32)).class_names) == 5
    told = r"breaks on a blank clip of 16 frames of 32 x 32 pixels, given as b c t h w \(Runtime"
    with pytest.raises(ConfigError, match=told):
        vx.VideoClassifier(flat, frames=16, size=(32, 32)).class_index("waving")


def test_a_classifier_is_where_its_network_is() -> None:
    assert vx.VideoClassifier(SmallNet().to("meta")).device == torch.device("meta")


def test_mixed_precision_changes_logits_little_and_their_type_not_at_all() -> None:
    classifier = vx.load_model("tiny_r2plus1d", device="cpu")
    mixed = vx.load_model("tiny_r2plus1d", device="cpu", precision="bfloat16")
    clips = classifier.preprocess(vx.shapes(num_clips=2))
    logits, coarse = classifier(clips.frames), mixed(clips.frames)
    assert coarse.dtype == logits.dtype
    assert not torch.equal(coarse, logits)
    torch.testing.assert_close(coarse, logits, atol=0.1, rtol=0.02)
    torch.testing.assert_close(mixed.accelerated(clips.frames), coarse, atol=0.1, rtol=0.02)
    found = vx.explain(mixed, clips, "3d_ep", num_iter=5).values
    assert found.dtype == torch.float32
    wanted = vx.explain(classifier, clips, "3d_ep", num_iter=5).values
    torch.testing.assert_close(found, wanted, atol=0.3, rtol=0)


def test_precision_can_be_changed_and_is_checked() -> None:
    classifier = vx.load_model("tiny_tsm", device="cpu")
    frames = clip(1, 16, 64, 64)
    exact = classifier.accelerated(frames)
    classifier.precision = "bfloat16"
    assert not torch.equal(classifier.accelerated(frames), exact)
    classifier.precision = "float32"
    assert torch.equal(classifier.accelerated(frames), exact)


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames": 0},
        {"std": (0.0, 1.0, 1.0)},
        {"mean": (0.5,)},
        {"resize": 64},
        {"resize": (128, 100)},
    ],
)
def test_wrong_values_are_told_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="a VideoClassifier needs"):
        vx.VideoClassifier(SmallNet(), **wrong)


def test_a_list_for_a_size_and_a_clip_that_is_no_batch() -> None:
    """In a process of its own, without the type checker that these tests run under."""
    script = (
        "import torch, videxplain as vx\n"
        "net = torch.nn.Conv3d(3, 2, 1)\n"
        "classifier = vx.VideoClassifier(net, size=(64, 64), resize=[64, 80])\n"
        "assert classifier.preprocess(vx.shapes(num_clips=1)).frames.shape[3:] == (64, 64)\n"
        "classifier = vx.VideoClassifier(torch.nn.Conv3d(3, 2, 1))\n"
        "try:\n    classifier(torch.zeros(3, 16, 112, 112))\n"
        "except vx.VidexplainError as error:\n    assert 'give a batch b c t h w' in str(error)\n"
        "else:\n    raise SystemExit(1)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    "wrong",
    ["size=64", "size=64, resize=64", "size=(64,)", "sampling='unifrom'", "layout='b t h w c'"],
)
def test_wrong_types_are_told_at_once(wrong: str) -> None:
    """In a process of its own, without the type checker that these tests run under."""
    script = (
        "import torch, videxplain as vx\n"
        f"try:\n    vx.VideoClassifier(torch.nn.Conv3d(3, 2, 1), {wrong})\n"
        "except vx.VidexplainError as error:\n    assert 'a VideoClassifier needs' in str(error)\n"
        "else:\n    raise SystemExit(1)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_explain_wants_clips_and_keys_where_they_belong() -> None:
    classifier = vx.VideoClassifier(SmallNet(), size=(32, 32))
    clips = vx.Clips(clip(1, 16, 32, 32))
    built = vx.load_method("grad")
    with pytest.raises(ConfigError, match="num_iter given to a method already built"):
        vx.explain(classifier, clips, built, num_iter=3)
    with pytest.raises(ConfigError, match="unknown key of method=grad 'outputs_dir'"):
        vx.load_method("grad", outputs_dir="x")


def test_numbers_of_other_libraries(small: vx.VideoClassifier) -> None:
    clips = vx.Clips(clip(1, 4, 32, 32))
    wanted = vx.explain(small, clips, "grad", 3).values
    for target in (np.int64(3), torch.tensor(3), np.array([3]), torch.tensor([3]), [np.int64(3)]):
        assert torch.equal(vx.explain(small, clips, "grad", target).values, wanted)
    step = vx.load_method("step", perturb_area=np.linspace(0.1, 0.2, 3), num_iter=np.int64(2))
    assert vx.explain(small, clips, step, 3).areas == pytest.approx((0.1, 0.15, 0.2))
    step = vx.load_method("step", perturb_area=list(np.linspace(0.1, 0.2, 3)), num_iter=2)
    assert step.cost == vx.load_method("step", perturb_area=[0.1, 0.15, 0.2], num_iter=2).cost
    with pytest.raises(ConfigError, match=r"num_iter=<object .*: give numbers, texts"):
        vx.load_method("step", num_iter=object())


def test_what_a_method_finds_is_checked(small: vx.VideoClassifier) -> None:
    class Broken(Gradient):
        def __call__(
            self,
            classifier: Classifier,  # noqa: ARG002
            clips: vx.Clips,
            target: Targets,
        ) -> vx.Attribution:
            return vx.Attribution(clips.frames[None] * math.nan, target)

    with pytest.raises(DataError, match="Broken finds values that are NaN or infinite for 'clip-"):
        vx.explain(small, vx.Clips(clip(1, 4, 32, 32)), Broken(), 3)


def test_recurrent_networks_are_explained() -> None:
    classifier = vx.VideoClassifier(Recurrent(), frames=4, size=(8, 8))
    found = vx.explain(classifier, vx.Clips(clip(1, 4, 8, 8)), "grad", 0)
    assert found.values.abs().amax((0, 1, 2, 4, 5)).min() > 0
