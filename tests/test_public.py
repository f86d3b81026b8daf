"""The Python interface as the README shows it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import videxplain as vx
from tests.formulas import SmallNet, clip
from tests.videos import write_video
from videxplain.errors import ConfigError, LayerNotFoundError


def test_the_lines_of_the_readme(tmp_path: Path) -> None:
    write_video(tmp_path / "swing.mp4", 40)
    my_net = SmallNet()
    classifier = vx.VideoClassifier(
        my_net,
        frames=16,
        size=(56, 56),
        mean=(0.43, 0.39, 0.38),
        std=(0.23, 0.22, 0.22),
        class_names=[f"class {i}" for i in range(10)],
        cam_layer="layer4",
    )
    clips = classifier.preprocess(vx.read_video(tmp_path / "swing.mp4"))
    attribution = vx.explain(
        classifier,
        clips,
        method="step",
        target="predicted",
        perturb_area=[0.05, 0.1],
        num_iter=3,
    )
    assert attribution.values.shape == (2, 1, 1, 16, 56, 56)
    assert attribution.curves["energy"].shape == (2, 1, 3)
    vx.overlay(clips, attribution).save(tmp_path / "swing.webp")
    with Image.open(tmp_path / "swing.webp") as picture:
        assert picture.format == "WEBP"


def test_whole_numbers_as_statistics() -> None:
    classifier = vx.VideoClassifier(SmallNet(), size=(32, 32), mean=(0, 0, 0), std=(1, 1, 1))
    assert len(classifier.class_names) == 10


def test_ready_tensors() -> None:
    classifier = vx.VideoClassifier(SmallNet(), size=(32, 32))
    frames, labels = clip(2, 16, 32, 32), torch.tensor([4, -1])
    clips = vx.Clips(frames, labels, ("first", "second"))
    found = vx.explain(classifier, clips, "grad")
    assert found.target.tolist() == [4, int(classifier(frames)[1].argmax())]
    assert vx.Clips(frames).names == ("clip-0000", "clip-0001")
    with pytest.raises(ConfigError, match="1 name for 2 clips"):
        vx.Clips(frames, labels, ("first",))


@pytest.mark.parametrize(
    "given",
    [
        clip(2, 4, 8, 8).numpy(),
        clip(2, 4, 8, 8)[0],
        clip(2, 4, 8, 8).byte(),
        "swing.mp4",
    ],
)
def test_frames_that_are_no_batch_of_clips(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside of tests
    with pytest.raises(ConfigError, match=r"frames is .*: give a float tensor b c t h w of the"):
        vx.Clips(given)


@pytest.mark.parametrize("given", ["swing.mp4", Path("swing.mp4"), [*vx.shapes(), "swing.mp4"], []])
def test_paths_are_no_videos(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside of tests
    with pytest.raises(ConfigError, match=r"videos: (str|PosixPath|nothing) given: give a Vid"):
        vx.VideoClassifier(SmallNet()).preprocess(given)


def test_a_network_that_is_not_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside of tests
    net: Any = SmallNet()
    with pytest.raises(ConfigError, match=r"a SmallNet is no classifier: give VideoClassifier\("):
        vx.explain(net, vx.Clips(clip(1, 4, 8, 8)), "grad")


def test_searches_that_did_not_come_to_rest_are_told(caplog: pytest.LogCaptureFixture) -> None:
    classifier, clips = vx.VideoClassifier(SmallNet(), frames=4), vx.Clips(clip(2, 4, 32, 32))
    vx.explain(classifier, clips, "3d_ep", 3, num_iter=3, perturb_area=[0.1, 0.2])
    assert "4 of 4 masks still moved when the search ended" in caplog.text
    caplog.clear()
    vx.explain(classifier, clips, "grad", 3)
    own = vx.load_method("center")
    vx.explain(classifier, clips, own, 3)
    assert not caplog.text


def test_a_classifier_of_ones_own_needs_no_base_class() -> None:
    class Own(nn.Module):
        def __init__(self, wrapped: vx.VideoClassifier) -> None:
            super().__init__()
            self.wrapped = wrapped

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401
            return super().__getattr__(name) if name == "wrapped" else getattr(self.wrapped, name)

        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.wrapped(frames)
            return logits

    classifier, clips = vx.VideoClassifier(SmallNet(), frames=4), vx.Clips(clip(2, 4, 32, 32))
    found = vx.explain(Own(classifier), clips, "grad", 3)
    torch.testing.assert_close(found.values, vx.explain(classifier, clips, "grad", 3).values)


def test_clips_and_attributions_are_shown_in_a_line() -> None:
    clips = vx.Clips(clip(2, 4, 8, 8), names=("a", "b"))
    assert repr(clips) == "Clips(a, b: b c t h w = (2, 3, 4, 8, 8))"
    attribution = vx.Attribution(torch.zeros(1, 2, 1, 4, 8, 8), torch.tensor([3, 4]), (0.1,))
    assert repr(attribution) == (
        "Attribution(a b c t h w = (1, 2, 1, 4, 8, 8), target=[3, 4], areas=(0.1,))"
    )


@pytest.mark.parametrize(
    ("part", "given"),
    [
        ("labels", torch.tensor([1])),
        ("pixels", np.zeros((1, 4, 8, 8, 3), dtype=np.uint8)),
        ("pixels", np.zeros((2, 4, 8, 16, 3), dtype=np.uint8)),
        ("truth", torch.zeros(3, 4, 8, 8, dtype=torch.bool)),
        ("truth", torch.zeros(2, 1, 8, 8, dtype=torch.bool)),
    ],
)
def test_parts_that_do_not_belong_to_the_frames(
    part: str, given: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside of tests
    with pytest.raises(ConfigError, match=rf"{part} of shape .* for frames of shape .*: give"):
        vx.Clips(clip(2, 4, 8, 8), **{part: given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("class 3", [3, 3]),
        (7, [7, 7]),
        ("7", [7, 7]),
        ([1, 2], [1, 2]),
        (torch.tensor([5, 6]), [5, 6]),
    ],
)
def test_targets(target: object, wanted: list[int]) -> None:
    classifier = vx.VideoClassifier(SmallNet(), size=(32, 32))
    found = vx.explain(classifier, vx.Clips(clip(2, 16, 32, 32)), "grad", target)  # type: ignore[arg-type]
    assert found.target.tolist() == wanted


@pytest.mark.parametrize("target", ["class 10", 10, -1, [1], [1, 2, 3], [0, 99]])
def test_wrong_targets(target: object) -> None:
    classifier = vx.VideoClassifier(SmallNet(), size=(32, 32))
    with pytest.raises(ConfigError, match=r"unknown class|does not exist|targets? for 2 clips"):
        vx.explain(classifier, vx.Clips(clip(2, 16, 32, 32)), "grad", target)  # type: ignore[arg-type]


def test_names_must_be_one_a_class() -> None:
    classifier = vx.VideoClassifier(SmallNet(), class_names=["yes", "no"], size=(32, 32))
    with pytest.raises(ConfigError, match="2 class_names for a network of 10 classes"):
        vx.explain(classifier, vx.Clips(clip(1, 16, 32, 32)), "grad", "yes")


def test_frames_before_colours() -> None:
    """A network of the layout ``b t c h w`` gets each frame's own colours."""

    class Folded(nn.Module):
        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            return frames.mean((3, 4)).flatten(1)

    classifier = vx.VideoClassifier(Folded(), frames=4, size=(8, 8), layout="b t c h w")
    frames = torch.arange(12.0).reshape(1, 3, 4, 1, 1).expand(1, 3, 4, 8, 8)
    assert classifier(frames)[0].tolist() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]


def test_a_missing_cam_layer_names_the_layers() -> None:
    with pytest.raises(LayerNotFoundError, match=r"'layer9'.*stem, layer3, layer4, fc"):
        vx.VideoClassifier(SmallNet(), cam_layer="layer9")


def test_truth_follows_its_pictures() -> None:
    video = vx.shapes(num_clips=1)[0]
    assert video.read_truth is not None
    truth = video.read_truth(range(16))
    classifier = vx.VideoClassifier(SmallNet(), size=(32, 32), class_names=["a", "b"])
    clips = classifier.preprocess(video)
    assert clips.truth is not None
    assert clips.truth.shape == (1, 16, 32, 32)
    assert clips.truth.float().mean().item() == pytest.approx(truth.mean(), rel=0.05)
    found = np.argwhere(clips.truth[0].numpy()).mean(0)
    assert found == pytest.approx(np.argwhere(truth).mean(0) / [1, 2, 2], abs=0.6)
    assert clips.label(0) is None, "a label of another data set is no label"


def test_importing_is_quick_and_lazy() -> None:
    script = "import sys, videxplain; assert 'torch' not in sys.modules; videxplain.shapes"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert set(vx.__all__) <= set(dir(vx))
    for name in vx.__all__:
        assert getattr(vx, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = vx.nothing
