"""What every method of conf/method keeps, whatever clips and settings it is given."""

import pytest
import torch
from hypothesis import given

from tests.strategies import (
    DTYPES,
    Drawn,
    bounded,
    classifier,
    drawn_changes,
    drawn_clips,
    drawn_dtypes,
    make_clips,
)
from tests.test_contract_methods import few, left_behind
from tests.transformers import small_net
from videxplain import api, catalog
from videxplain.errors import VidexplainError
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Attribution, Clips, Explainer

CLASSIFIERS = {
    (name, dtype): classifier(dtype, small_net(name))
    for name in catalog.names("method")
    for dtype in DTYPES
}


@pytest.mark.parametrize("name", catalog.names("method"))
@bounded(9)
@given(drawn=drawn_clips, changes=drawn_changes, dtype=drawn_dtypes)
def test_whatever_is_explained(name: str, drawn: Drawn, changes: Drawn, dtype: torch.dtype) -> None:
    method, network, clips = (
        few(name, **changes),
        CLASSIFIERS[name, dtype],
        make_clips(drawn, dtype),
    )
    before = clips.frames.clone()
    state = {key: value.clone() for key, value in network.state_dict().items()}
    try:
        first = api.explain(network, clips, method)
    except VidexplainError:
        assert left_behind(network) == []
        return
    check_values(first, clips, method)
    assert torch.equal(first.values, api.explain(network, clips, method).values), "not determined"
    assert torch.equal(clips.frames, before), "changed its input"
    assert not clips.frames.requires_grad
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert left_behind(network) == []
    if dtype == torch.float64 and len(clips) > 1:
        check_alone(network, first, clips, method)


def check_values(found: Attribution, clips: Clips, method: Explainer) -> None:
    areas, count, channels, *size = found.values.shape
    assert [count, *size] == [len(clips), *clips.frames.shape[2:]]
    assert areas == (1 if found.areas is None else len(found.areas))
    assert channels in (1, 3)
    assert torch.isfinite(found.values).all()
    assert method.signed or bool((found.values >= 0).all())
    for polarity in ("positive", "negative", "both"):
        saliency = found.saliency(polarity)
        assert saliency.shape == (areas, count, *size)
        assert bool((saliency >= 0).all())
    if found.areas is not None:
        assert channels == 1
        assert bool((found.values <= 1).all())
    for curve in found.curves.values():
        assert curve.shape[:2] == (areas, count)
        assert torch.isfinite(curve[..., 0]).all()


def check_alone(
    network: VideoClassifier, together: Attribution, clips: Clips, method: Explainer
) -> None:
    """The last clip explained with the others, and without."""
    assert clips.labels is not None
    last = Clips(clips.frames[-1:], clips.labels[-1:], clips.names[-1:])
    alone = api.explain(network, last, method)
    scale = max(together.values.abs().max().item(), 1e-30)
    torch.testing.assert_close(
        together.values[:, -1:], alone.values, atol=1e-6 * scale, rtol=0, check_dtype=True
    )
