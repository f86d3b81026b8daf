"""What every method of conf/method must keep, on both small networks."""

import pytest
import torch

from videxplain import api, catalog
from videxplain.data.shapes import shapes
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Attribution, Clips, Explainer

ITERATIONS = 3
METHODS = catalog.names("method")


@pytest.fixture(scope="module", params=["tiny_tsm", "tiny_r2plus1d"])
def classifier(request: pytest.FixtureRequest) -> VideoClassifier:
    return api.load_model(request.param, device="cpu")


@pytest.fixture(scope="module")
def clips(classifier: VideoClassifier) -> Clips:
    return classifier.preprocess(shapes(num_clips=2))


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> Explainer:
    quick = (
        {"num_iter": ITERATIONS} if "num_iter" in catalog.section("method", request.param) else {}
    )
    return api.load_method(request.param, **quick)


def test_contract(classifier: VideoClassifier, clips: Clips, method: Explainer) -> None:
    frames = clips.frames.clone()
    state = {name: value.clone() for name, value in classifier.state_dict().items()}
    first = api.explain(classifier, clips, method)
    second = api.explain(classifier, clips, method)

    assert isinstance(method, Explainer)
    areas, batch, channels, *size = first.values.shape
    assert [batch, *size] == [2, *clips.frames.shape[2:]]
    assert areas == (1 if first.areas is None else len(first.areas))
    assert channels in (1, 3)
    assert torch.isfinite(first.values).all()
    assert method.signed or bool((first.values >= 0).all())
    assert first.target.tolist() == [clips.label(0), clips.label(1)]
    assert all(curve.shape == (areas, 2, ITERATIONS) for curve in first.curves.values())

    assert torch.equal(first.values, second.values), "not deterministic"
    assert torch.equal(clips.frames, frames), "changed its input"
    assert clips.frames.grad is None
    assert all(torch.equal(value, state[name]) for name, value in classifier.state_dict().items())
    assert not any(parameter.requires_grad for parameter in classifier.parameters())
    assert not any(module._forward_hooks for module in classifier.modules()), "left a hook"
    assert not any(module.training for module in classifier.modules())


def test_second_clip_is_its_own(
    classifier: VideoClassifier, clips: Clips, method: Explainer
) -> None:
    both = api.explain(classifier, clips, method)
    second = Clips(clips.frames[1:], clips.labels[1:], clips.names[1:])  # type: ignore[index]
    alone = api.explain(classifier, second, method)
    scale = both.values.abs().max().item()
    torch.testing.assert_close(both.values[:, 1:], alone.values, atol=1e-4 * scale, rtol=0)


@pytest.mark.parametrize("name", METHODS)
def test_an_unknown_key_names_the_nearest(name: str) -> None:
    from videxplain.errors import ConfigError

    with pytest.raises(ConfigError, match="unknown key of method"):
        api.load_method(name, num_itr=3)


@pytest.mark.parametrize("polarity", ["positive", "negative", "both"])
def test_saliency_clamps_before_it_averages(polarity: str) -> None:
    values = torch.tensor([1.0, -2.0, 3.0]).reshape(1, 1, 3, 1, 1, 1)
    attribution = Attribution(values, torch.tensor([0]))
    wanted = {"positive": 4 / 3, "negative": 2 / 3, "both": 2.0}[polarity]
    assert attribution.saliency(polarity).item() == pytest.approx(wanted)  # type: ignore[arg-type]
    assert attribution.values.flatten().tolist() == [1, -2, 3]


def test_gradient_of_a_linear_network_is_its_weight() -> None:
    torch.manual_seed(0)
    linear = torch.nn.Linear(3 * 2 * 4 * 4, 5)
    net = torch.nn.Sequential(torch.nn.Flatten(), linear)
    classifier = VideoClassifier(net, frames=2, size=(4, 4))
    found = api.explain(classifier, Clips(torch.rand(2, 3, 2, 4, 4)), "grad", target=3)
    weight = linear.weight[3].reshape(3, 2, 4, 4)
    torch.testing.assert_close(found.values, weight.expand(1, 2, 3, 2, 4, 4))


def test_random_depends_on_seed_and_name_alone(classifier: VideoClassifier, clips: Clips) -> None:
    swapped = Clips(clips.frames.flip(0), None, clips.names[::-1])
    first = api.explain(classifier, clips, "random")
    again = api.explain(classifier, swapped, "random")
    other = api.explain(classifier, clips, "random", seed=1)
    assert torch.equal(first.values[:, 0], again.values[:, 1])
    assert not torch.equal(first.values, other.values)


def test_center_peaks_in_the_middle_of_space_and_time(
    classifier: VideoClassifier, clips: Clips
) -> None:
    bell = api.explain(classifier, clips, "center").values[0, 0, 0]
    assert bell[7:9, 31:33, 31:33].min() > 0.98
    assert bell[0].max() < bell[8].max()
    torch.testing.assert_close(bell, bell.flip(0, 1, 2))
