"""What every network of conf/model must keep, with random weights."""

import pytest
import torch

from tests.formulas import assert_stats, clip, fill, golden
from videxplain import api, catalog
from videxplain.data.shapes import shapes
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Clips

MODELS = [name for name in catalog.names("model") if name != "custom"]


@pytest.fixture(scope="module", params=MODELS)
def classifier(request: pytest.FixtureRequest) -> VideoClassifier:
    return api.load_model(request.param, weights="random", device="cpu")


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


def test_random_weights_are_the_same_each_time(classifier: VideoClassifier) -> None:
    assert len(classifier.weights_sha256) == 64
    again = api.load_model("tiny_tsm", weights="random", device="cpu")
    assert (
        again.weights_sha256
        == api.load_model("tiny_tsm", weights="random", device="cpu").weights_sha256
    )
    assert again.weights_sha256 != api.load_model("tiny_tsm", device="cpu").weights_sha256


def test_golden_r2plus1d() -> None:
    wanted = golden("networks")["r2plus1d_18"]
    classifier = api.load_model("r2plus1d", weights="random", device="cpu")
    classifier.net.load_state_dict(fill(classifier.net.state_dict()))
    assert sum(p.numel() for p in classifier.net.parameters()) == wanted["parameters"]
    frames = clip(1, 16, 112, 112).requires_grad_()
    logits = classifier(frames)
    assert logits[0, :16].tolist() == pytest.approx(wanted["logits"]["first16"], abs=1e-4)
    assert logits.argmax().item() == wanted["logits"]["argmax"]
    assert_stats(logits, wanted["logits"], atol=1e-4)
    (gradient,) = torch.autograd.grad(logits[0, 3], frames)
    largest = max(abs(wanted["grad"]["min"]), wanted["grad"]["max"])
    assert_stats(gradient, wanted["grad"], atol=1e-3 * largest)
    for position, value in wanted["grad"]["at"]:
        assert gradient[tuple(position)].item() == pytest.approx(value, abs=1e-3 * largest)
    per_frame = gradient.square().sum(dim=(0, 1, 3, 4)).sqrt().tolist()
    assert per_frame == pytest.approx(wanted["grad"]["l2_per_frame"], rel=1e-3)


def test_golden_gradient(small: VideoClassifier) -> None:
    wanted = golden("backprop")["raw_grad"]
    found = api.explain(small, Clips(clip(2, 16, 112, 112)[:1]), "grad", target=3)
    assert_stats(found.values, wanted, atol=1e-3 * max(abs(wanted["min"]), wanted["max"]))


@pytest.mark.parametrize("name", ["r2plus1d", "r3d", "mc3"])
def test_preprocessing_is_torchvisions(name: str) -> None:
    from torchvision.models import get_model_weights

    from videxplain.models.preprocessing import fit_pixels

    classifier = api.load_model(name, weights="random", device="cpu")
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (4, 240, 320, 3), generator=generator, dtype=torch.uint8)
    transforms = get_model_weights(f"{name}_18").DEFAULT.transforms()
    wanted = transforms(frames.permute(0, 3, 1, 2))
    pixels = torch.from_numpy(fit_pixels(frames.numpy(), classifier.resize, classifier.size))
    colours = (pixels.float() / 255 - classifier.mean) / classifier.std
    torch.testing.assert_close(colours.permute(3, 0, 1, 2), wanted, atol=1e-4, rtol=0)
