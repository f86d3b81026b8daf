"""What every network of conf/model must keep, with random weights, for each of its data sets."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from _pytest.mark import ParameterSet

from tests.formulas import assert_stats, clip, golden
from videxplain import api, building, catalog
from videxplain.data.shapes import shapes
from videxplain.hooks import capture
from videxplain.models.classifier import VideoClassifier
from videxplain.models.torchvision import KINDS
from videxplain.types import Clips

TORCHVISIONS = [
    model
    for model in catalog.names("model")
    if catalog.section("model", model).get("network") in KINDS
]
LARGE = {"i3d", "tsm", *TORCHVISIONS} - {"r2plus1d"}
"""Networks that take too long to be run whenever the tests are; of its family one is enough."""


def pairs() -> list[ParameterSet]:
    """Every model but the user's own, with each of its data sets; the large ones are slow."""
    return [
        pytest.param(
            (model, dataset),
            id=f"{model}-{dataset}",
            marks=[pytest.mark.slow] if model in LARGE else [],
        )
        for model in catalog.names("model")
        for dataset in catalog.section("model", model)["pretrain_datasets"]
        if model != "custom"
    ]


@pytest.fixture(scope="module", params=pairs())
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    chosen: tuple[str, str] = request.param
    return chosen


@pytest.fixture(scope="module")
def classifier(pair: tuple[str, str]) -> VideoClassifier:
    return api.load_model(*pair, weights="random", device="cpu")


@pytest.fixture(scope="module")
def clips(classifier: VideoClassifier) -> Clips:
    return classifier.preprocess(shapes(num_clips=2))


def test_logits_and_their_gradient(classifier: VideoClassifier, clips: Clips) -> None:
    assert clips.frames.shape == (2, 3, classifier.frames, *classifier.size)
    frames = clips.frames.clone().requires_grad_()
    logits = classifier(frames)
    assert logits.shape == (2, len(classifier.class_names))
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), frames)
    assert (gradient.abs().amax(dim=(1, 3, 4)) > 0).all(), "a frame that does not count"


def test_clips_of_a_batch_are_independent(classifier: VideoClassifier, clips: Clips) -> None:
    with torch.no_grad():
        both = classifier(clips.frames)
        alone = torch.cat([classifier(clips.frames[:1]), classifier(clips.frames[1:])])
    torch.testing.assert_close(both, alone, atol=1e-4, rtol=1e-4)


def test_frozen_in_evaluation(classifier: VideoClassifier) -> None:
    assert not any(parameter.requires_grad for parameter in classifier.parameters())
    assert not any(module.training for module in classifier.modules())


def test_black_is_black(classifier: VideoClassifier, clips: Clips) -> None:
    colours = classifier.black(clips.frames) * classifier.std.reshape(3, 1, 1, 1)
    assert (colours + classifier.mean.reshape(3, 1, 1, 1)).abs().max() < 1e-6


def test_pixels_are_the_pictures_behind_the_frames(
    classifier: VideoClassifier, clips: Clips
) -> None:
    assert clips.pixels is not None
    assert clips.pixels.shape == (2, classifier.frames, *classifier.size, 3)
    pixels = torch.from_numpy(clips.pixels[0]).movedim(-1, 0).float() / 255
    shape = (3, 1, 1, 1)
    normal = (pixels - classifier.mean.reshape(shape)) / classifier.std.reshape(shape)
    torch.testing.assert_close(clips.frames[0], normal)


def test_random_weights_are_the_same_each_time(
    pair: tuple[str, str], classifier: VideoClassifier
) -> None:
    torch.manual_seed(1)
    again = api.load_model(*pair, weights="random", device="cpu")
    assert len(classifier.weights_sha256) == 64
    assert again.weights_sha256 == classifier.weights_sha256
    assert again.weights_sha256 != api.load_model("tiny_tsm", device="cpu").weights_sha256


def test_the_cam_layer_is_captured(classifier: VideoClassifier, clips: Clips) -> None:
    assert classifier.cam_layer is not None
    maps = []
    for frames in (clips.frames, clips.frames[1:]):
        with torch.no_grad(), capture(classifier.net, classifier.cam_layer) as outputs:
            classifier(frames)
        maps.append(classifier.unfold_cam(outputs[0], len(frames)))
    batch, _, length, height, width = maps[0].shape
    assert batch == 2
    assert 1 < length <= classifier.frames
    assert 1 < height <= classifier.size[0] / 4
    assert 1 < width <= classifier.size[1] / 4
    assert (maps[0].amax((0, 1, 3, 4)) > 0).all(), "a time step without features"
    torch.testing.assert_close(maps[0][1:], maps[1], atol=1e-3, rtol=1e-3)


def test_step_runs(classifier: VideoClassifier, clips: Clips) -> None:
    """The energy falls by the paper's recipe, whose weights are the same in these iterations."""
    for perturb in ("quick", "paper"):
        found = api.explain(
            classifier,
            Clips(clips.frames[:1]),
            "step",
            target="predicted",
            num_iter=3,
            perturb=perturb,
        )
        assert found.values.shape == (1, 1, 1, classifier.frames, *classifier.size)
        assert found.curves["energy"].isfinite().all()
    assert found.curves["energy"][0, 0, -1] < found.curves["energy"][0, 0, 0]


def test_golden_gradient(small: VideoClassifier) -> None:
    wanted = golden("backprop")["raw_grad"]
    found = api.explain(small, Clips(clip(2, 16, 112, 112)[:1]), "grad", target=3)
    assert_stats(found.values, wanted, atol=1e-3 * max(abs(wanted["min"]), wanted["max"]))


@pytest.mark.parametrize("name", TORCHVISIONS)
def test_preprocessing_is_torchvisions(name: str) -> None:
    from torchvision.models import get_model_weights

    from videxplain.models.preprocessing import fit_pixels

    classifier = api.load_model(name, weights="random", device="cpu")
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (4, 240, 320, 3), generator=generator, dtype=torch.uint8)
    network = str(catalog.section("model", name)["network"])
    transforms = get_model_weights(network).DEFAULT.transforms()
    wanted = transforms(frames.permute(0, 3, 1, 2))
    pixels = torch.from_numpy(fit_pixels(frames.numpy(), classifier.resize, classifier.size))
    colours = (pixels.float() / 255 - classifier.mean) / classifier.std
    torch.testing.assert_close(colours.permute(3, 0, 1, 2), wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "apart"), [("i3d", 1), ("r2plus1d", 2), ("r3d", 2), ("mc3", 2), ("tsm", 8)]
)
def test_dense_frames_lie_as_far_apart_as_in_training(name: str, apart: int) -> None:
    check_distance(api.load_model(name, weights="random", device="cpu", sampling="dense"), apart)


def test_the_stride_of_a_network_of_ones_own() -> None:
    own = {"net": {"_target_": "torch.nn.Identity"}, "sampling": "dense", "stride": 3}
    section = catalog.section("model", "custom", own)
    check_distance(building.build(section, "model", plugins=["torch"]), 3)


def test_a_network_of_ones_own_draws_the_same_each_time() -> None:
    """Its weights decide where results lie, so that a job is found again."""
    net = {"_target_": "torch.nn.Conv3d", "in_channels": 3, "out_channels": 2, "kernel_size": 3}
    before = torch.get_rng_state()
    made = [api.load_model("custom", plugins=["torch"], net=net, device="cpu") for _ in range(2)]
    first, second = (torch.cat([each.flatten() for each in one.parameters()]) for one in made)
    torch.testing.assert_close(first, second, atol=0, rtol=0)
    assert first.std() > 0
    assert torch.equal(torch.get_rng_state(), before)


def check_distance(classifier: VideoClassifier, apart: int) -> None:
    asked: list[int] = []

    def read(indices: Sequence[int]) -> np.ndarray:
        asked.extend(indices)
        return np.zeros((len(indices), 8, 8, 3), dtype=np.uint8)

    video = replace(shapes(num_clips=1)[0], length=200, read=read, read_truth=None, label=None)
    classifier.preprocess(video)
    assert len(asked) == classifier.frames
    assert set(np.diff(asked)) == {apart}
