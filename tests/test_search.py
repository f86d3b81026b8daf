"""The search: published trajectories, rewards, and independence of clips and areas."""

import dataclasses
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests import reference
from tests.formulas import SmallNet, assert_stats, clip, golden
from videxplain import api, catalog
from videxplain.methods.extremal.masks import SmoothMaximum
from videxplain.methods.extremal.terms import Schedule
from videxplain.methods.extremal.variants import VARIANTS, levels_of
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Attribution, Clips

TARGET = torch.tensor([3])


def explain(
    classifier: VideoClassifier,
    method: str,
    clips: Clips | None = None,
    **changes: Any,  # noqa: ANN401
) -> Attribution:
    """By the published recipe."""
    given = Clips(clip(1, 16, 112, 112)) if clips is None else clips
    target = changes.pop("target", 3)
    return api.explain(classifier, given, method, target=target, **{"perturb": "paper", **changes})


@pytest.mark.parametrize(
    ("name", "method", "changes"),
    [
        ("2d_ep", "2d_ep", {}),
        ("3d_ep", "3d_ep", {}),
        ("step", "step", {}),
        ("3d_ep_delete", "3d_ep", {"variant": "delete"}),
    ],
)
def test_published_trajectories(
    small: VideoClassifier, name: str, method: str, changes: dict[str, Any]
) -> None:
    wanted = golden("trajectories")[name]
    found = explain(small, method, num_iter=wanted["iterations"], **changes)
    for curve in ("reward", "regul"):
        assert found.curves[curve][0, 0].tolist() == pytest.approx(wanted[curve][0], rel=1e-4)
    samples = found.values.flatten()[wanted["mask"]["positions"]].tolist()
    assert samples == pytest.approx(wanted["mask"]["samples"], abs=2e-3)
    assert_stats(found.values, {**wanted["mask"], "samples": samples}, atol=1e-3)


def test_published_trajectory_across_the_start_of_the_core_term(small: VideoClassifier) -> None:
    wanted = golden("trajectories")["step_130"]
    found = explain(small, "step", num_iter=130)
    for curve, tolerance in (("reward", 2e-3), ("regul", 1e-2)):
        values = found.curves[curve][0, 0].tolist()
        assert values[:30] == pytest.approx(wanted[curve][0][:30], rel=1e-4)
        assert values == pytest.approx(wanted[curve][0], rel=tolerance)
    assert found.curves["regul"][0, 0, 100:102].tolist() == pytest.approx([63.14, 151.82], rel=1e-2)
    samples = found.values.flatten()[wanted["mask"]["positions"]].tolist()
    assert samples == pytest.approx(wanted["mask"]["samples"], abs=5e-2)
    assert found.values.mean().item() == pytest.approx(wanted["mask"]["mean"], abs=1e-3)


def test_golden_rewards() -> None:
    wanted = golden("math")["reward"]
    logits = torch.tensor(wanted["activation"]).log()
    target = torch.tensor(wanted["target"])
    for variant in ("preserve", "delete"):
        (part,) = VARIANTS[variant]
        assert part.loss(logits, target).tolist() == pytest.approx(wanted[variant], rel=1e-5)
    kept, deleted = VARIANTS["dual"]
    both = torch.tensor(wanted["dual_target"])
    loss = kept.loss(logits[: len(both)], both) + deleted.loss(logits[len(both) :], both)
    assert loss.tolist() == pytest.approx(wanted["dual"], rel=1e-5)


def test_the_probability_told_is_that_of_what_is_kept() -> None:
    torch.manual_seed(0)
    classifier, clips = VideoClassifier(SmallNet()), Clips(clip(1, 4, 16, 16))
    told = {
        variant: explain(classifier, "3d_ep", clips, num_iter=1, variant=variant).curves
        for variant in VARIANTS
    }
    first = {variant: curves["probability"].item() for variant, curves in told.items()}
    assert first["dual"] == first["preserve"] != first["delete"]


@pytest.mark.parametrize("clips", [[0, 1, 2], [1, 2], [2, 2], [0, 2, 0], [2, 0], [1]])
def test_each_mask_has_the_levels_of_its_clip(clips: list[int]) -> None:
    pyramid = torch.arange(3.0).reshape(3, 1, 1, 1, 1, 1).expand(3, 2, 3, 1, 1, 1)
    assert levels_of(pyramid, clips).equal(pyramid[clips])


@pytest.mark.parametrize("variant", ["preserve", "delete", "dual"])
def test_certain_answers_stay_finite(variant: str) -> None:
    logits = torch.tensor([[200.0, -200.0], [200.0, -200.0]], requires_grad=True)
    for target in (0, 1):
        for part in VARIANTS[variant]:
            loss = part.loss(logits, torch.tensor([target, target]))
            (gradient,) = torch.autograd.grad(loss.sum(), logits)
            assert torch.isfinite(loss).all()
            assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("method", ["2d_ep", "3d_ep", "step"])
@pytest.mark.parametrize(
    "changes", [{}, {"variant": "dual"}, {"perturbation": "fade"}, {"perturb": "quick"}]
)
def test_clips_and_areas_do_not_influence_each_other(method: str, changes: dict[str, Any]) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.ReLU(), Pool(), nn.Linear(4, 5))
    classifier = VideoClassifier(net).double()
    clips = Clips(clip(2, 7, 16, 19).double())
    areas = [0.05, 0.3]
    both = explain(
        classifier, method, clips, num_iter=4, perturb_area=areas, target=[3, 1], **changes
    )
    assert both.values.shape == (2, 2, 1, 7, 16, 19)
    assert both.areas == (0.05, 0.3)
    for b in range(2):
        for a, area in enumerate((0.05, 0.3)):
            alone = explain(
                classifier,
                method,
                Clips(clips.frames[b : b + 1]),
                num_iter=4,
                perturb_area=area,
                target=(3, 1)[b],
                **changes,
            )
            torch.testing.assert_close(both.values[a, b], alone.values[0, 0], atol=1e-9, rtol=0)
            torch.testing.assert_close(
                both.curves["energy"][a, b], alone.curves["energy"][0, 0], rtol=1e-9, atol=0
            )


def test_energy_is_the_sum_of_its_parts(small: VideoClassifier) -> None:
    found = explain(small, "step", Clips(clip(1, 8, 32, 32)), num_iter=3)
    curves = found.curves
    torch.testing.assert_close(curves["energy"], curves["reward"] + curves["regul"])
    weight = torch.tensor([300 * 1.0008668**t for t in range(3)])
    torch.testing.assert_close(curves["regul"][0, 0], weight * curves["area"][0, 0])
    assert set(curves) >= {"probability", "visible_area", "core"}


def test_the_last_visible_area_is_that_of_the_mask(small: VideoClassifier) -> None:
    found = explain(small, "3d_ep", Clips(clip(1, 4, 32, 32)), num_iter=4)
    torch.testing.assert_close(
        found.curves["visible_area"][0, 0, -1], found.values[0, 0].mean(), rtol=1e-6, atol=0
    )


def test_works_inside_no_grad(small: VideoClassifier) -> None:
    clips = Clips(clip(1, 4, 32, 32))
    with torch.no_grad():
        inside = explain(small, "3d_ep", clips, num_iter=3)
    torch.testing.assert_close(inside.values, explain(small, "3d_ep", clips, num_iter=3).values)


class Pool(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features.mean((2, 3, 4))


@pytest.mark.parametrize(
    ("method", "area", "changes"),
    [
        ("2d_ep", 0.05, {}),
        ("2d_ep", 0.2, {"variant": "dual", "perturbation": "fade"}),
        ("3d_ep", 0.15, {"variant": "delete", "perturbation": "fade"}),
        ("3d_ep", 0.3, {"variant": "dual"}),
        ("step", 0.02, {}),
        ("step", 0.5, {"perturbation": "fade"}),
        ("step", 0.1, {"variant": "dual"}),
    ],
)
def test_agrees_with_the_plain_transcription(
    method: str, area: float, changes: dict[str, Any]
) -> None:
    """In float64, so that what differs is the formula: the smooth maximum is exact to 1e-5.

    Where a mask lies at the edge between two levels of the pyramid, that shows in the mask as 1e-3.
    """
    net = SmallNet().double()
    frames = clip(2, 4, 112, 112)[1:].double()
    wanted, rewards, reguls = reference.search(
        net, frames[0], 3, reference.RECIPES[method], area=area, sigma=11, iterations=5, **changes
    )
    given = {"perturb_area": area, "num_iter": 5, **changes}
    found = explain(VideoClassifier(net).double(), method, Clips(frames), **given)
    assert found.curves["reward"][0, 0].tolist() == pytest.approx(rewards, rel=1e-5)
    assert found.curves["regul"][0, 0].tolist() == pytest.approx(reguls, rel=1e-5)
    torch.testing.assert_close(found.values[0, 0, 0], wanted, atol=2e-3, rtol=0)


def test_agrees_at_224_pixels() -> None:
    net = SmallNet().double()
    frames = clip(1, 2, 224, 224).double()
    wanted, rewards, reguls = reference.search(
        net, frames[0], 3, reference.RECIPES["3d_ep"], area=0.1, sigma=23, iterations=3
    )
    found = explain(VideoClassifier(net).double(), "3d_ep", Clips(frames), num_iter=3)
    assert found.curves["reward"][0, 0].tolist() == pytest.approx(rewards, rel=1e-5)
    assert found.curves["regul"][0, 0].tolist() == pytest.approx(reguls, rel=1e-5)
    torch.testing.assert_close(found.values[0, 0, 0], wanted, atol=2e-3, rtol=0)


def test_agrees_once_the_core_term_counts() -> None:
    net = SmallNet().double()
    frames = clip(1, 8, 112, 112).double()
    recipe = reference.Recipe(1, growth=1.0008668, core_from=2)
    wanted, _, reguls = reference.search(
        net, frames[0], 3, recipe, area=0.1, sigma=11, iterations=4
    )
    terms = catalog.section("method", "step")["terms"]
    core = {**terms["core"], "weight": {"start": 300, "first": 2}}
    changes = {"terms": {**terms, "core": core}, "num_iter": 4}
    found = explain(VideoClassifier(net).double(), "step", Clips(frames), **changes)
    assert found.curves["regul"][0, 0].tolist() == pytest.approx(reguls, rel=1e-5)
    torch.testing.assert_close(found.values[0, 0, 0], wanted, atol=2e-3, rtol=0)


def test_2d_ep_and_3d_ep_agree_on_one_frame(small: VideoClassifier) -> None:
    clips = Clips(clip(1, 1, 64, 64))
    flat, deep = (explain(small, method, clips, num_iter=5) for method in ("2d_ep", "3d_ep"))
    torch.testing.assert_close(flat.values, deep.values)


def test_the_summed_map_over_areas(small: VideoClassifier) -> None:
    clips = Clips(clip(2, 8, 56, 56))
    areas = [0.05, 0.1, 0.5]
    masks = explain(small, "3d_ep", clips, num_iter=4, perturb_area=areas)
    found = explain(
        small, "3d_ep", clips, num_iter=4, perturb_area=areas, combine="sum", smooth_sigma=3
    )
    total = masks.values.sum(dim=0)
    wanted = torch.stack([reference.blur(each[0].double(), 3.0) for each in total])[:, None]
    wanted = wanted / wanted.amax(dim=(1, 2, 3, 4), keepdim=True)
    torch.testing.assert_close(found.values[0].double(), wanted, atol=1e-5, rtol=0)
    assert found.areas is None
    assert found.values.amax(dim=(0, 2, 3, 4, 5)).tolist() == pytest.approx([1, 1])
    assert torch.equal(found.curves["energy_area0.1"], masks.curves["energy"][1:2])
    plain = explain(
        small, "3d_ep", clips, num_iter=4, perturb_area=areas, combine="sum", smooth_sigma=0
    )
    highest = total.amax(dim=(1, 2, 3, 4), keepdim=True)
    torch.testing.assert_close(plain.values[0], total / highest)


def test_masks_keep_their_precision_in_a_network_of_half(small: VideoClassifier) -> None:
    clips = Clips(clip(1, 8, 64, 64))
    wanted = explain(small, "3d_ep", clips, num_iter=3).values
    half = VideoClassifier(SmallNet()).bfloat16()
    found = explain(half, "3d_ep", Clips(clips.frames.bfloat16()), num_iter=3).values
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, atol=0.05, rtol=0)


def test_curves_of_near_areas_keep_their_names(small: VideoClassifier) -> None:
    areas = [0.1, 0.10000001]
    found = explain(
        small, "3d_ep", Clips(clip(1, 4, 32, 32)), num_iter=1, perturb_area=areas, combine="sum"
    )
    assert {"energy_area0.1", "energy_area0.10000001"} <= set(found.curves)


def test_masks_do_not_depend_on_the_number_of_threads(small: VideoClassifier) -> None:
    """By the paper's recipe: Adam divides by the gradient's size, and so magnifies rounding."""
    clips, threads = Clips(clip(1, 8, 64, 64)), torch.get_num_threads()
    found = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(explain(small, "step", clips, perturb="paper", num_iter=20).values)
    finally:
        torch.set_num_threads(threads)
    torch.testing.assert_close(*found, atol=1e-4, rtol=0)


GROWTH = """
import videxplain as vx

def held():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1e3

classifier = vx.load_model("tiny_tsm", device="cpu")
clips = classifier.preprocess(vx.shapes(num_clips=4))
for count in (20, 20, 300):
    vx.explain(classifier, clips, "2d_ep", perturb="paper", num_iter=count, batch_size=4)
    print(held())
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux only")
def test_memory_does_not_grow_with_the_iterations() -> None:
    """Small tensors kept on the way would lie between large ones, whose room then is lost."""
    command = [sys.executable, "-c", GROWTH]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    _, few, many = map(float, printed.split())
    assert many - few < 70


def test_masks_are_computed_in_full_precision_and_networks_as_they_wish(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the flag that cuDNN heeds, in both directions; on a GPU TF32 would spoil the masks."""
    seen: defaultdict[str, set[bool]] = defaultdict(set)

    def look(where: str, tensor: Tensor) -> Tensor:
        def note(slopes: Tensor) -> None:  # noqa: ARG001
            seen[where].add(torch.backends.cudnn.allow_tf32)

        if tensor.requires_grad:
            seen[where].add(torch.backends.cudnn.allow_tf32)
            tensor.register_hook(note)  # type: ignore[no-untyped-call]
        return tensor

    class Looks(SmallNet):
        def forward(self, frames: Tensor) -> Tensor:
            return look("network", super().forward(frames))

    class Sees:
        weight = Schedule(1.0)

        def __call__(self, masks: Tensor, area: float) -> Tensor:  # noqa: ARG002
            return look("term", masks.mean((1, 2, 3)))

    upsample = SmoothMaximum.__call__
    monkeypatch.setattr(
        SmoothMaximum, "__call__", lambda self, cells: look("masks", upsample(self, cells))
    )
    method = api.load_method("3d_ep", num_iter=2)
    method = dataclasses.replace(method, terms={**method.terms, "sees": Sees()})  # type: ignore[type-var, attr-defined]
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    api.explain(VideoClassifier(Looks()), Clips(clip(1, 4, 16, 16)), method, 3)
    assert seen == {"network": {True}, "masks": {False}, "term": {False}}
