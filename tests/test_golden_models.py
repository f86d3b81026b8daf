"""Networks against their published versions: names, shapes, logits, gradients."""

from typing import Any

import pytest
import torch

from tests.formulas import assert_stats, clip, fill, golden
from videxplain import api
from videxplain.models.classifier import VideoClassifier

GOLDEN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "r2plus1d_18": ("r2plus1d", "kinetics", {}),
    "i3d_hassony2": ("i3d", "kinetics", {}),
    "i3d_videovisual": ("i3d", "kinetics", {"convention": "published"}),
    "tsm_kinetics": ("tsm", "kinetics", {}),
    "tsm_epic_noun": ("tsm", "epic-kitchens-noun", {}),
}
LAYOUTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "i3d": ("i3d", "kinetics", {}),
    "tsm_kinetics": ("tsm", "kinetics", {}),
    "tsn_kinetics": ("tsm", "kinetics", {"shift": False}),
    "tsm_epic": ("tsm", "epic-kitchens-noun", {}),
    "tsn_epic": ("tsm", "epic-kitchens-verb", {"weights": "random", "shift": False}),
}


def build(model: str, dataset: str, changes: dict[str, Any]) -> VideoClassifier:
    return api.load_model(model, dataset, **{"weights": "random", "device": "cpu", **changes})


def filled(model: str, dataset: str, changes: dict[str, Any]) -> VideoClassifier:
    classifier = build(model, dataset, changes)
    classifier.net.load_state_dict(fill(classifier.net.state_dict()))
    return classifier


@pytest.mark.parametrize("name", LAYOUTS)
def test_names_shapes_and_order_are_the_published_ones(name: str) -> None:
    state = build(*LAYOUTS[name]).net.state_dict()
    found = {key: [list(v.shape), str(v.dtype).split(".")[1]] for key, v in state.items()}
    assert list(found.items()) == list(golden(f"{name}_keys").items())


@pytest.mark.parametrize("name", GOLDEN)
def test_logits_and_gradients(name: str) -> None:
    """Single values of the gradient are compared in float64.

    In float32 some hundred of the millions of activations lie so near zero that rounding decides
    which side they fall on; it differs between processors, and each moves single values.
    """
    wanted = golden("networks")[name]
    classifier = filled(*GOLDEN[name])
    assert sum(p.numel() for p in classifier.net.parameters()) == wanted["parameters"]
    batch, _, *size = wanted["input"]
    frames = clip(batch, *size).requires_grad_()
    logits = classifier(frames)
    assert logits[0, :16].tolist() == pytest.approx(wanted["logits"]["first16"], abs=1e-4)
    assert logits.argmax().item() == wanted["logits"]["argmax"]
    assert logits[0].topk(5).indices.tolist() == wanted["logits"]["top5"]
    assert_stats(logits, wanted["logits"], atol=1e-4)
    (gradient,) = torch.autograd.grad(logits[0, 3], frames)
    largest = max(abs(wanted["grad"]["min"]), wanted["grad"]["max"])
    assert_stats(gradient, wanted["grad"], atol=1e-3 * largest)
    per_frame = gradient.square().sum(dim=(0, 1, 3, 4)).sqrt().tolist()
    assert per_frame == pytest.approx(wanted["grad"]["l2_per_frame"], rel=1e-3)
    per_channel = gradient.square().sum(dim=(0, 2, 3, 4)).sqrt().tolist()
    assert per_channel == pytest.approx(wanted["grad"]["l2_per_channel"], rel=1e-3)
    precise = frames.detach().double().requires_grad_()
    (gradient,) = torch.autograd.grad(classifier.double()(precise)[0, 3], precise)
    for position, value in wanted["grad"]["at"]:
        assert gradient[tuple(position)].item() == pytest.approx(value, abs=1e-3 * largest)


@pytest.mark.parametrize("name", GOLDEN)
def test_the_accelerated_network_gives_the_same(name: str) -> None:
    """Its gradient is compared in float64, and by its norms in float32, as the plain one's."""
    wanted = golden("networks")[name]
    classifier = filled(*GOLDEN[name])
    batch, _, *size = wanted["input"]
    frames = clip(batch, *size).requires_grad_()
    logits = classifier.accelerated(frames)
    assert logits[0].topk(5).indices.tolist() == wanted["logits"]["top5"]
    assert_stats(logits, wanted["logits"], atol=1e-4)
    (gradient,) = torch.autograd.grad(logits[0, 3], frames)
    per_frame = gradient.square().sum(dim=(0, 1, 3, 4)).sqrt().tolist()
    assert per_frame == pytest.approx(wanted["grad"]["l2_per_frame"], rel=1e-3)
    per_channel = gradient.square().sum(dim=(0, 2, 3, 4)).sqrt().tolist()
    assert per_channel == pytest.approx(wanted["grad"]["l2_per_channel"], rel=1e-3)
    precise = frames.detach().double().requires_grad_()
    (gradient,) = torch.autograd.grad(classifier.double().accelerated(precise)[0, 3], precise)
    largest = max(abs(wanted["grad"]["min"]), wanted["grad"]["max"])
    assert_stats(gradient, wanted["grad"], atol=1e-3 * largest)
    for position, value in wanted["grad"]["at"]:
        assert gradient[tuple(position)].item() == pytest.approx(value, abs=1e-3 * largest)


def test_one_epic_network_answers_both_questions() -> None:
    noun = filled("tsm", "epic-kitchens-noun", {})
    verb = build("tsm", "epic-kitchens-verb", {})
    verb.net.load_state_dict(noun.net.state_dict())
    frames = clip(1, 8, 64, 64)
    features = noun.net.base_model(frames[0].transpose(0, 1)).mean(dim=0)  # type: ignore[operator]
    for classifier, head in ((noun, noun.net.fc_noun), (verb, noun.net.fc_verb)):
        torch.testing.assert_close(classifier(frames)[0], head(features))  # type: ignore[operator]
    assert (len(noun.class_names), len(verb.class_names)) == (352, 125)
