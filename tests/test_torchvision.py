"""Networks of torchvision: what it publishes of them, and what this package adds."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights

from tests.formulas import clip
from tests.transformers import LIKE_V1, LIKE_V2, filled, small_classifier, small_mvit
from videxplain import api, catalog
from videxplain.errors import ConfigError
from videxplain.hooks import capture
from videxplain.models.cam_layers import cam_layers
from videxplain.models.class_names import class_names
from videxplain.models.classifier import VideoClassifier
from videxplain.models.mvit import TokenBlock
from videxplain.models.torchvision import KINDS, Name, TorchvisionClassifier, check_clip
from videxplain.types import Clips

NAMES = list(KINDS)
MODELS = [name.removesuffix("_18") for name in NAMES]
SMALL = ["mvit_v1", "mvit_v2", "swin3d"]
KINDS_OF_MVIT = pytest.mark.parametrize("kind", [LIKE_V1, LIKE_V2], ids=["v1", "v2"])


@pytest.fixture(scope="module", params=MODELS)
def large(request: pytest.FixtureRequest) -> VideoClassifier:
    """With weights under which signals neither die nor explode; Swin with shorter clips."""
    fewer: dict[str, Any] = (
        {"frames": 16, "size": [112, 112]} if request.param.startswith("swin") else {}
    )
    classifier = api.load_model(request.param, weights="random", device="cpu", **fewer)
    filled(classifier.net)
    return classifier


@pytest.fixture(params=SMALL)
def little(request: pytest.FixtureRequest) -> VideoClassifier:
    return small_classifier(request.param)


@pytest.mark.parametrize(("model", "name"), list(zip(MODELS, NAMES, strict=True)))
def test_files_are_those_that_torchvision_publishes(model: str, name: Name) -> None:
    section = catalog.section("model", model)
    assert section["network"] == name
    published = {each.name.lower(): each for each in get_model_weights(name)}
    assert list(section["checkpoints"]) == list(published)
    for key, file in section["checkpoints"].items():
        weights = published[key]
        assert file["url"] == weights.url
        assert file["url"].endswith(f"-{file['sha256']}.pth")
        assert file["megabytes"] == round(weights.meta["_file_size"], 1)
        assert tuple(weights.meta["categories"]) == class_names("kinetics")


@pytest.mark.parametrize("name", NAMES)
def test_layout_is_that_of_the_published_weights(name: Name) -> None:
    """No file is at hand: names and shapes are torchvision's, whose number of weights is told."""
    with torch.device("meta"):
        ours = get_model(name, **KINDS[name].parts)
        theirs = get_model(name)
    state = {key: value.shape for key, value in ours.state_dict().items()}
    assert state == {key: value.shape for key, value in theirs.state_dict().items()}
    count = sum(each.numel() for each in ours.parameters())
    for weights in get_model_weights(name):
        assert count == weights.meta["num_params"]
        size = sum(each.numel() * each.element_size() for each in ours.state_dict().values())
        assert size / 2**20 == pytest.approx(weights.meta["_file_size"], rel=0.01)


@pytest.mark.parametrize("name", ["s3d", "mvit_v2_s", "swin3d_t"])
def test_weights_of_torchvisions_network_are_taken(tmp_path: Path, name: str) -> None:
    torch.manual_seed(1)
    theirs = get_model(name).state_dict()
    torch.save(theirs, tmp_path / "weights.pth")
    found = api.load_model(name, weights=str(tmp_path / "weights.pth"), device="cpu")
    assert found.net.state_dict().keys() == theirs.keys()
    assert all(torch.equal(found.net.state_dict()[key], theirs[key]) for key in theirs)


@KINDS_OF_MVIT
def test_the_map_on_the_way_changes_nothing(kind: dict[str, Any]) -> None:
    ours, theirs = (filled(small_mvit(each, **kind)).eval() for each in (TokenBlock, None))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    frames = clip(2, 8, 32, 32)
    assert torch.equal(ours(frames), theirs(frames))


@pytest.mark.slow
def test_logits_are_torchvisions(large: VideoClassifier) -> None:
    assert isinstance(large, TorchvisionClassifier)
    theirs = get_model(large.network).eval()
    theirs.load_state_dict(large.net.state_dict())
    frames = clip(1, large.frames, *large.size)
    with torch.no_grad():
        assert torch.equal(large(frames), theirs(frames))


@pytest.mark.parametrize("name", NAMES)
def test_the_smallest_clips_are_taken_and_smaller_ones_told(name: Name) -> None:
    kind = KINDS[name]
    with torch.device("meta"):
        net = get_model(name, num_classes=3).eval()
        smallest = kind.only or kind.least
        assert net(torch.empty(1, 3, *smallest)).shape == (1, 3)
    check_clip(name, *smallest)
    if smallest == (1, 1, 1):
        return
    patch = (2, 4, 4) if kind.only else (1, 1, 1)
    for axis in range(3):
        smaller = list(smallest)
        smaller[axis] -= patch[axis]
        with torch.device("meta"), pytest.raises(RuntimeError):
            net(torch.empty(1, 3, *smaller))
        with pytest.raises(ConfigError, match=name):
            check_clip(name, *smaller)


def test_a_clip_that_cannot_be_is_told_in_a_sentence() -> None:
    said = (
        "mvit_v1_b takes 16 frames of 224 x 224 pixels and no others, for its weights hold a "
        "position for each patch of these: not 8 frames of 224 x 224 pixels; leave frames and size "
        "as they are"
    )
    with pytest.raises(ConfigError, match=f"^{said}$"):
        api.load_model("mvit_v1_b", frames=8)  # and nothing is fetched
    with pytest.raises(ConfigError, match="not 16 frames of 224 x 256 pixels"):
        api.load_model("mvit_v2_s", weights="random", size=[224, 256])
    said = (
        "s3d cannot take 8 frames of 224 x 224 pixels: give at least 13 frames and 209 pixels a "
        "side"
    )
    with pytest.raises(ConfigError, match=f"^{said}$"):
        api.load_model("s3d", weights="random", frames=8)


def test_clips_made_by_hand_are_checked_too() -> None:
    classifier = api.load_model("s3d", weights="random", device="cpu")
    for ask in (classifier, classifier.accelerated):
        with pytest.raises(ConfigError, match="s3d cannot take 16 frames of 64 x 64 pixels"):
            ask(torch.zeros(1, 3, 16, 64, 64))
        with pytest.raises(ConfigError, match=re.escape("frames of shape (1, 4, 16, 64, 64)")):
            ask(torch.zeros(1, 4, 16, 64, 64))


def cam_gradient(classifier: VideoClassifier, layer: str, frames: Tensor) -> Tensor:
    with capture(classifier.net, layer) as outputs:
        logits = classifier(frames.requires_grad_())
    gradient: Tensor = torch.autograd.grad(logits[:, 0].sum(), outputs[0])[0]
    return gradient


def test_every_position_of_the_cam_layer_counts(little: VideoClassifier) -> None:
    assert little.cam_layer is not None
    gradient = cam_gradient(little, little.cam_layer, clip(1, 8, 32, 32))
    slopes = little.unfold_cam(gradient, 1)
    assert slopes.shape[2:] == (4, 4, 4)
    assert (slopes.abs().amax(dim=1) > 0).all()


@KINDS_OF_MVIT
def test_no_later_layer_of_mvit_has_a_gradient_at_its_patches(kind: dict[str, Any]) -> None:
    classifier = VideoClassifier(filled(small_mvit(**kind)), frames=8, size=(32, 32))
    for later in ("blocks.2.norm2", "blocks.2.mlp", "norm"):
        gradient = cam_gradient(classifier, later, clip(1, 8, 32, 32))
        assert gradient[:, 0].abs().max() > 0, later
        assert gradient[:, 1:].abs().max() == 0, later


@pytest.mark.parametrize("name", ["mvit_v1_b", "mvit_v2_s"])
def test_mvit_has_no_later_block(name: Name) -> None:
    with torch.device("meta"):
        net = get_model(name, **KINDS[name].parts)
    assert KINDS[name].cam_layer == f"blocks.{len(net.blocks) - 1}.norm1.patches"


def features(classifier: VideoClassifier, frames: Tensor) -> Tensor:
    assert classifier.cam_layer is not None
    with torch.no_grad(), capture(classifier.net, classifier.cam_layer) as outputs:
        classifier(frames)
    return classifier.unfold_cam(outputs[0], 1)[0]


def check_order(classifier: VideoClassifier) -> None:
    """Where a piece of a clip takes its opposite colours, features change most.

    The piece lies at the beginning or end of the frames, rows or columns.
    """
    sides = (classifier.frames, *classifier.size)
    whole = clip(1, *sides)
    before = features(classifier, whole)
    for axis, side in enumerate(sides):
        for late in (False, True):
            place = [slice(side // 4, 3 * side // 4) for side in sides]
            place[axis] = slice(side - side // 4, side) if late else slice(side // 4)
            marked = whole.clone()
            marked[(slice(None), slice(None), *place)] *= -1
            change = (features(classifier, marked) - before).norm(dim=0)
            first, last = change.movedim(axis, 0).tensor_split(2)
            inside, outside = (last, first) if late else (first, last)
            assert inside.mean() > outside.mean(), (axis, late)


@pytest.mark.parametrize("name", SMALL)
def test_tokens_lie_where_their_patches_do(name: str) -> None:
    """With the weights that training begins with, which mix tokens little."""
    torch.manual_seed(0)
    check_order(small_classifier(name, nn.Identity()))


@pytest.mark.slow
def test_features_lie_where_their_pixels_do(large: VideoClassifier) -> None:
    check_order(large)


def test_cam_layers_are_told(little: VideoClassifier) -> None:
    told = cam_layers(little)
    assert little.cam_layer in told
    assert told[little.cam_layer] == (32, 4, 4, 4)


def check_acceleration(classifier: VideoClassifier, frames: Tensor, tolerance: float) -> None:
    found = []
    for ask in (classifier, classifier.accelerated):
        seen = frames.clone().requires_grad_()
        logits = ask(seen)
        (gradient,) = torch.autograd.grad(logits.log_softmax(dim=1)[:, 1].sum(), seen)
        found.append((logits.detach(), gradient))
    (logits, gradient), (quick_logits, quick_gradient) = found
    assert gradient.norm() > 0
    assert (quick_logits - logits).abs().max() < 1e-5 * logits.abs().max()
    assert (quick_gradient - gradient).norm() < tolerance * gradient.norm()
    assert classifier._accelerated._quick is not classifier.net, "not accelerated at all"


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-12)])
def test_the_accelerated_network_gives_the_same(
    little: VideoClassifier, dtype: torch.dtype, tolerance: float
) -> None:
    check_acceleration(little.to(dtype), clip(2, 8, 32, 32).to(dtype), tolerance)


@pytest.mark.slow
def test_the_large_ones_accelerated_give_the_same(large: VideoClassifier) -> None:
    """S3D's gradients differ by .5 % between float32 and float64: rounding moves its ReLUs."""
    check_acceleration(large, clip(1, large.frames, *large.size), 1e-2)


@pytest.mark.parametrize("method", ["grad", "grad_cam", "integrated_grad", "3d_ep", "step"])
def test_methods_explain_them(little: VideoClassifier, method: str) -> None:
    few: dict[str, Any] = {
        "3d_ep": {"num_iter": 3},
        "step": {"num_iter": 3},
        "integrated_grad": {"steps": 3},
    }
    found = api.explain(little, Clips(clip(2, 8, 32, 32)), method, 1, **few.get(method, {}))
    assert found.values.shape[3:] == (8, 32, 32)
    assert found.values.isfinite().all()
    assert found.values.abs().amax(dim=(0, 2, 3, 4, 5)).min() > 0, "nothing for a clip"


@pytest.mark.slow
def test_grad_cam_explains_the_large_ones(large: VideoClassifier) -> None:
    clips = Clips(clip(1, large.frames, *large.size))
    found = api.explain(large, clips, "grad_cam", "predicted")
    assert found.values.isfinite().all()
    assert found.values.max() > 0


def test_swin_takes_short_and_small_clips() -> None:
    classifier = api.load_model(
        "swin3d_t", weights="random", device="cpu", frames=3, size=[40, 30], resize=48
    )
    found = api.explain(classifier, Clips(clip(1, 3, 40, 30)), "grad_cam", 1)
    assert found.values.shape == (1, 1, 1, 3, 40, 30)
    assert found.values.max() > 0
