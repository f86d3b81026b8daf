"""What every metric of conf/metrics keeps, whatever it is asked to measure."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import (
    Drawn,
    Explained,
    bounded,
    classifier,
    drawn_maps,
    make_explained,
)
from tests.test_contract_methods import few, left_behind
from videxplain import building, catalog
from videxplain.errors import VidexplainError
from videxplain.measures import Check, Metric
from videxplain.types import Attribution, Clips, Measure

NETWORK = classifier(torch.float64)
SETTINGS = {
    "polarity": st.sampled_from(["positive", "negative", "both"]),
    "block": st.integers(1, 50),
    "frames": st.integers(1, 15),
    "steps": st.integers(1, 6),
    "num_segments": st.integers(1, 300),
    "compactness": st.floats(0.01, 100),
    "spacing": st.floats(0.1, 10),
    "baseline": st.sampled_from(["zero", "black", "blur", "mean"]),
    "perturbation": st.sampled_from(["blur", "fade"]),
    "share": st.floats(0.01, 0.99),
    "tolerance": st.integers(0, 50),
    "stages": st.integers(1, 6),
    "spread": st.floats(0.001, 1),
    "batch_size": st.integers(1, 5),
    "seed": st.integers(0, 3),
}


@pytest.mark.parametrize("name", catalog.names("metrics"))
@bounded(6)
@given(drawn=drawn_maps, settings=st.fixed_dictionaries(SETTINGS))
def test_whatever_is_measured(name: str, drawn: Drawn, settings: Drawn) -> None:
    explained = make_explained(drawn)
    keys = catalog.section("metrics", name)[name]
    changes = {key: value for key, value in settings.items() if key in keys}
    metric = building.build(catalog.section("metrics", name, {name: changes}), "metrics")[name]
    clips, given_values = explained.clips, explained.attribution.values.clone()
    frames = clips.frames.clone()
    try:
        found = measured(metric, explained)
    except VidexplainError:
        return
    assert found.shape == given_values.shape[:2]
    assert not found.isinf().any()
    assert not found.requires_grad
    torch.testing.assert_close(found, measured(metric, explained), rtol=0, atol=0, equal_nan=True)
    assert torch.equal(clips.frames, frames), "changed the clips"
    assert torch.equal(explained.attribution.values, given_values), "changed the attribution"
    assert left_behind(NETWORK) == []
    if not isinstance(metric, Check):
        alone = measured(metric, last_of(explained))
        torch.testing.assert_close(found[:, -1:], alone, rtol=1e-4, atol=1e-5, equal_nan=True)


def measured(metric: Metric | Check, explained: Explained) -> Measure:
    """A check is given what its own method says."""
    clips, attribution = explained
    if not isinstance(metric, Check):
        return metric(NETWORK, clips, attribution)
    areas, target = attribution.areas, attribution.target
    method = few("3d_ep", perturb_area=areas, num_iter=1) if areas else few("grad")
    return metric(NETWORK, method, clips, method(NETWORK, clips, target))


def last_of(explained: Explained) -> Explained:
    """The last clip alone."""
    clips, given_here = explained.clips, explained.attribution
    assert clips.labels is not None
    truth = None if clips.truth is None else clips.truth[-1:]
    one = Clips(clips.frames[-1:], clips.labels[-1:], clips.names[-1:], truth=truth)
    values, target = given_here.values[:, -1:], given_here.target[-1:]
    return Explained(one, Attribution(values, target, given_here.areas))
