"""A GPU gives what the CPU gives; skipped, saying so, where there is none."""

import copy
import gc
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import videxplain as vx
from tests.commands import Run, runner
from tests.formulas import assert_stats, clip, golden
from tests.networks import Recurrent
from tests.test_contract_methods import METHODS, few, suited
from tests.test_golden_models import GOLDEN, filled
from tests.test_search import explain
from tests.transformers import filled as with_formulas
from videxplain import building, catalog, cli
from videxplain.data.shapes import shapes
from videxplain.devices import without_tf32
from videxplain.filters import blur_pyramid
from videxplain.measures import Check
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Attribution, Clips

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

GPU = "cuda"
NETWORKS = [name for name in catalog.names("model") if name != "custom"]
SMALL = ["tiny_tsm", "tiny_r2plus1d"]
OF_MASKS = ("visible_area", "probability_kept", "probability_deleted", "preserved", "converged_at")
SUITED = {**dict.fromkeys(OF_MASKS, "3d_ep"), "seed_stability": "smooth_grad"}
"""Methods on which a metric says more than NaN or 1."""


def moved(clips: Clips, device: str) -> Clips:
    """The same clips elsewhere."""
    labels, truth = (
        None if each is None else each.to(device) for each in (clips.labels, clips.truth)
    )
    return replace(clips, frames=clips.frames.to(device), labels=labels, truth=truth)


def on_both_devices(classifier: VideoClassifier) -> Iterator[tuple[str, VideoClassifier]]:
    """The network on one device, then on the other."""
    for device in ("cpu", GPU):
        yield device, classifier.to(device)


def close(found: Tensor, wanted: Tensor, share: float) -> None:
    """Equal but for a share of the largest value."""
    largest = wanted.abs().max().item()
    torch.testing.assert_close(found.cpu(), wanted.cpu(), atol=share * largest, rtol=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str) -> None:
    """In the precision that PyTorch takes by default, convolutions in TF32 included."""
    classifier = vx.load_model(name, weights="random", device="cpu")
    with_formulas(classifier.net)
    frames = clip(1, classifier.frames, *classifier.size)
    wanted, slopes = logits_and_gradient(classifier, frames)
    classifier.to(GPU)
    for network in (classifier, classifier.accelerated):
        logits, gradient = logits_and_gradient(network, frames.to(GPU))
        close(logits, wanted, 0.01)
        assert alike(gradient, slopes) > 0.98
    classifier.precision = "bfloat16"
    logits, _ = logits_and_gradient(classifier.accelerated, frames.to(GPU))
    close(logits, wanted, 0.1)


def alike(found: Tensor, wanted: Tensor) -> float:
    """Cosine of the angle between them."""
    one, other = (each.detach().cpu().double().flatten() for each in (found, wanted))
    return torch.cosine_similarity(one, other, dim=0, eps=0).item()


def logits_and_gradient(network: Any, frames: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    """The gradient is that of class 3."""
    leaf = frames.clone().requires_grad_()
    logits = network(leaf)
    (gradient,) = torch.autograd.grad(logits[0, 3], leaf)
    return logits.detach(), gradient


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_networks(name: str) -> None:
    wanted = golden("networks")[name]
    classifier = filled(*GOLDEN[name]).double().to(GPU)
    batch, _, *size = wanted["input"]
    for network in (classifier, classifier.accelerated):
        logits, gradient = logits_and_gradient(network, clip(batch, *size).double().to(GPU))
        assert_stats(logits.cpu(), wanted["logits"], atol=1e-4)
        largest = max(abs(wanted["grad"]["min"]), wanted["grad"]["max"])
        for position, value in wanted["grad"]["at"]:
            assert gradient[tuple(position)].item() == pytest.approx(value, abs=1e-3 * largest)


@pytest.mark.parametrize("name", ["2d_ep", "3d_ep", "step"])
def test_published_trajectories(small: VideoClassifier, name: str) -> None:
    wanted = golden("trajectories")[name]
    given = copy.deepcopy(small).to(GPU)
    with without_tf32():
        found = explain(given, name, Clips(clip(1, 16, 112, 112).to(GPU)), num_iter=30)
    assert found.values.device.type == GPU
    for curve in ("reward", "regul"):
        values = found.curves[curve][0, 0].tolist()
        assert values == pytest.approx(wanted[curve][0][: len(values)], rel=2e-3)


@pytest.mark.parametrize("model", SMALL)
@pytest.mark.parametrize("name", METHODS)
def test_methods(model: str, name: str) -> None:
    """In float64, chance included: every device draws the same."""
    classifier = vx.load_model(model, device="cpu").double()
    given = classifier.preprocess(shapes(num_clips=2))
    given = Clips(given.frames.double(), given.labels, given.names)
    method = few(name)
    classifier = suited(classifier, method).double()
    wanted, found = (
        vx.explain(network, moved(given, device), method, 1)
        for device, network in on_both_devices(classifier)
    )
    assert found.values.device.type == found.target.device.type == GPU
    close(found.values, wanted.values, 1e-6)
    for curve, values in wanted.curves.items():
        torch.testing.assert_close(found.curves[curve].cpu(), values, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", catalog.names("metrics"))
def test_metrics(name: str) -> None:
    classifier = vx.load_model("tiny_tsm", device="cpu").double()
    clips = classifier.preprocess(shapes(num_clips=2))
    clips = replace(clips, frames=clips.frames.double())
    metric = building.build(catalog.section("metrics", name), "metrics")[name]
    method = few(SUITED.get(name, "integrated_grad"), num_iter=30)
    wanted, found = (
        measured(metric, network, method, moved(clips, device))
        for device, network in on_both_devices(classifier)
    )
    assert found.device.type == GPU
    torch.testing.assert_close(found.cpu(), wanted, atol=1e-5, rtol=1e-5, equal_nan=True)


def measured(metric: Any, classifier: VideoClassifier, method: Any, clips: Clips) -> Tensor:  # noqa: ANN401
    attribution = vx.explain(classifier, clips, method, 1)
    if isinstance(metric, Check):
        found: Tensor = metric(classifier, method, clips, attribution)
    else:
        found = metric(classifier, clips, attribution)
    return found


def test_pictures_of_what_is_on_the_gpu() -> None:
    classifier = vx.load_model("tiny_tsm", device=GPU)
    clips = classifier.preprocess(shapes(num_clips=1))
    attribution = vx.explain(classifier, clips, "grad_cam")
    pictures = vx.overlay(clips, attribution)
    on_cpu = Attribution(attribution.values.cpu(), attribution.target.cpu(), signed=False)
    wanted = vx.overlay(moved(clips, "cpu"), on_cpu)
    for row, same in zip(pictures.rows, wanted.rows, strict=True):
        assert np.abs(row.astype(int) - same.astype(int)).max() <= 1


@pytest.fixture
def _memory_back() -> Iterator[None]:
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.usefixtures("_memory_back")
@pytest.mark.parametrize("name", ["grad", "step"])
def test_a_batch_that_does_not_fit_is_halved(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """A limit on the process's memory makes real out-of-memory errors."""
    classifier = vx.load_model("r2plus1d", weights="random", device=GPU)
    with_formulas(classifier.net)
    masks = name == "step"  # a batch of one clip
    clips = Clips(clip(1 if masks else 32, 16, 112, 112).to(GPU))
    areas = {"perturb_area": [(index + 1) / 40 for index in range(32)]} if masks else {}
    method: Any = few(name, batch_size=32, perturb="paper", **areas)
    wanted = vx.explain(classifier, clips, replace(method, batch_size=1), 1).values
    gc.collect()
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 1.5e9) / whole)
    with caplog.at_level(logging.WARNING, "videxplain"):
        found = vx.explain(classifier, clips, method, 1).values
    assert "out of memory with 32 clips at a time: going on with 16" in caplog.text
    assert alike(found, wanted) > 0.98


def test_recurrent_networks_have_gradients() -> None:
    torch.manual_seed(0)
    classifier, frames = VideoClassifier(Recurrent()), clip(2, 8, 16, 16)
    wanted, found = (
        vx.explain(network, Clips(frames.to(device)), "grad", 1).values
        for device, network in on_both_devices(classifier)
    )
    close(found, wanted, 1e-3)


def test_blurred_clips() -> None:
    frames = clip(1, 8, 112, 112)
    close(blur_pyramid(frames.to(GPU)), blur_pyramid(frames), 1e-3)


@pytest.fixture
def videxplain(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner("videxplain", cli.main, monkeypatch, capsys)


def test_the_command_takes_the_gpu(videxplain: Run, tmp_path: Path) -> None:
    """What is kept, and measured of it, is that of the CPU."""
    asked = ("model=tiny_r2plus1d", "method=grad_cam", "data=shapes", "data.num_clips=2")
    metrics = "metrics=[insertion_auc,pointing_game,energy_inside]"
    accounts = []
    for device in ("auto", "cpu"):
        ran = videxplain(*asked, metrics, f"device={device}", f"outputs_dir={device}")
        assert ran.code == 0, ran.err
        (path,) = (tmp_path / device).rglob("result.json")
        accounts.append((path, json.loads(path.read_text())))
    (at, found), (wanted_at, wanted) = accounts
    assert (found["device"], wanted["device"]) == (GPU, "cpu")
    for record, same in zip(found["records"], wanted["records"], strict=True):
        assert record["metrics"] == pytest.approx(same["metrics"], abs=0.02, nan_ok=True)
    for file in (wanted_at.parent / "attributions").glob("*.npz"):
        with np.load(file) as kept, np.load(at.parent / "attributions" / file.name) as made:
            close(torch.from_numpy(made["values"]), torch.from_numpy(kept["values"]), 0.02)
