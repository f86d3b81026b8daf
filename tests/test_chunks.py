"""Pieces of a batch, and what happens when the memory is not enough."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.formulas import SmallNet, Tally, clip
from tests.transformers import small_net
from videxplain import api, catalog
from videxplain.chunks import Chunks, logits_of
from videxplain.errors import DeviceMemoryError
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Clips


class Cramped(nn.Module):
    """A network on a device with the memory for ``room`` clips."""

    def __init__(self, room: int, net: nn.Module | None = None) -> None:
        super().__init__()
        self.net = net or SmallNet()
        self.room = room
        self.tally = Tally()

    def forward(self, frames: Tensor) -> Tensor:
        if len(frames) > self.room:
            self.tally["refused"] += 1
            message = "out of memory"
            raise torch.OutOfMemoryError(message)
        logits: Tensor = self.net(frames)
        return logits


def test_parts_cover_everything_once() -> None:
    parts: list[tuple[int, int]] = []
    Chunks(3)(7, lambda part: parts.append((part.start, part.stop)))
    assert parts == [(0, 3), (3, 6), (6, 7)]


def test_a_part_that_does_not_fit_is_halved_and_not_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[int] = []

    def run(part: slice) -> None:
        if part.stop - part.start > 2:
            message = "out of memory"
            raise torch.OutOfMemoryError(message)
        done.extend(range(part.start, part.stop))

    chunks = Chunks(8)
    chunks(9, run)
    assert done == list(range(9))
    assert chunks.size == 2, "kept for what follows"
    assert [record.getMessage() for record in caplog.records] == [
        "out of memory with 8 clips at a time: going on with 4; batch_size=4 spares the attempt",
        "out of memory with 4 clips at a time: going on with 2; batch_size=2 spares the attempt",
    ]


@pytest.mark.parametrize("name", catalog.names("method"))
def test_every_method_goes_on_in_halves(name: str) -> None:
    few: dict[str, Any] = {
        "num_iter": 2,
        "steps": 3,
        "samples": 3,
        "grid": [2, 2, 2],
        "batch_size": 6,
    }
    keys = catalog.section("method", name)
    changes = {key: value for key, value in few.items() if key in keys}
    clips, target = Clips(clip(5, 8, 32, 32)), torch.arange(5)
    names = [str(index) for index in range(10)]
    found = {}
    for room in (2, 100):
        cramped = Cramped(room, small_net(name))
        classifier = VideoClassifier(cramped, cam_layer="net.layer4", class_names=names)
        method = api.load_method(name, **changes)
        found[room] = method(classifier, clips, target).values
        assert bool(cramped.tally["refused"]) == (room == 2 and method.cost.forward > 0)
    scale = found[100].abs().max().item()
    torch.testing.assert_close(found[2], found[100], atol=1e-5 * scale, rtol=0)


class Late(nn.Module):
    """The device runs out of memory once, at a given allocation on the way back."""

    def __init__(self, after: int, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.left = after

    def forward(self, frames: Tensor) -> Tensor:
        logits: Tensor = self.net(frames)
        if logits.requires_grad:
            logits.register_hook(self._come_back)  # type: ignore[no-untyped-call]
        return logits

    def _come_back(self, _gradient: Tensor) -> None:
        self.left -= 1
        if self.left == 0:
            message = "CUDA error: CUBLAS_STATUS_ALLOC_FAILED"
            raise RuntimeError(message)


@pytest.mark.parametrize("name", catalog.names("method"))
@pytest.mark.parametrize("after", [1, 2])
def test_nothing_counts_twice(name: str, after: int) -> None:
    keys = catalog.section("method", name)
    few: dict[str, Any] = {
        "num_iter": 2,
        "steps": 3,
        "samples": 3,
        "grid": [2, 2, 2],
        "batch_size": 2,
        "variant": "dual",
    }
    method = api.load_method(name, **{key: few[key] for key in few if key in keys})
    clips, target = Clips(clip(4, 8, 32, 32)), torch.arange(4)
    names = [str(index) for index in range(10)]
    found, wanted = (
        method(
            VideoClassifier(Late(each, small_net(name)), cam_layer="net.layer4", class_names=names),
            clips,
            target,
        ).values
        for each in (after, -1)
    )
    scale = wanted.abs().max().item()
    torch.testing.assert_close(found, wanted, atol=1e-4 * scale, rtol=0)


def test_scores_are_asked_for_in_parts() -> None:
    cramped = Cramped(2)
    classifier = VideoClassifier(cramped, class_names=[str(index) for index in range(10)])
    frames = clip(5, 8, 32, 32)
    found = logits_of(classifier, frames, 2)
    assert cramped.tally["refused"] == 0
    cramped.room = 100
    torch.testing.assert_close(found, classifier(frames))
    cramped.room = 2
    api.explain(classifier, Clips(frames), "grad", batch_size=2)
    assert cramped.tally["refused"] == 0


def test_other_errors_pass() -> None:
    def run(_part: slice) -> None:
        message = "shapes do not match"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="shapes do not match"):
        Chunks(2)(4, run)


def test_a_clip_that_never_fits_is_told() -> None:
    classifier = VideoClassifier(Cramped(0), class_names=[str(index) for index in range(10)])
    method = api.load_method("grad")
    with pytest.raises(DeviceMemoryError, match="not the memory for one clip at a time: give"):
        method(classifier, Clips(clip(2, 8, 32, 32)), torch.tensor([0, 1]))
