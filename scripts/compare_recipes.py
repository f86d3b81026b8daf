"""Is the quick recipe as good as the published one? ``python scripts/compare_recipes.py``.

For each network and search, both recipes of conf/perturb on the same clips: the energy under the
weights of the published recipe's last iteration, the target's probability in the kept part, the
insertion AUC, the share of the 5 % most salient voxels on the moving object, and what it took.
``--lrcn`` names the folder of a network trained on real video, with ``--videos`` for it.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from benchmark import AREA, PUBLISHED_ITERATIONS, published_iteration
from tabulate import tabulate
from tqdm import tqdm

import videxplain as vx
from videxplain.methods.extremal.search import ExtremalPerturbation
from videxplain.metrics.insertion import InsertionAUC
from videxplain.metrics.localisation import TopPrecision
from videxplain.models.classifier import VideoClassifier

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.networks import load_lrcn  # noqa: E402

NETWORKS = ("tiny_r2plus1d", "tiny_tsm")
METHODS = ("2d_ep", "3d_ep", "step")
RECIPES = ("paper", "quick")
BATCH = 4


@dataclass(frozen=True)
class Subject:
    """A network and the clips to explain."""

    name: str
    classifier: VideoClassifier
    batches: list[vx.Clips]


def main() -> None:
    """Explain the clips with every method and recipe, then print and write."""
    arguments = _arguments()
    subjects = [_shapes(name, arguments.clips) for name in arguments.networks]
    if arguments.lrcn:
        subjects.append(_lrcn(arguments.lrcn, arguments.videos))
    rows: list[dict[str, object]] = []
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    for subject in subjects:
        for method in tqdm(arguments.methods, desc=subject.name, disable=None):
            rows += _compare(subject, method)
            arguments.output.write_text(json.dumps(rows, indent=1))  # whole, it takes an hour
    print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".3f"))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--lrcn", type=Path, help="folder of lrcn.py and lrcn_ucf50.pt")
    parser.add_argument("--videos", type=Path, nargs="+", default=(), help="swing.mp4 tai_chi.mp4")
    parser.add_argument("--output", type=Path, default=ROOT / "outputs" / "recipes.json")
    return parser.parse_args()


def _shapes(name: str, count: int) -> Subject:
    classifier, videos = vx.load_model(name), vx.shapes(num_clips=count)
    parts = [videos[start : start + BATCH] for start in range(0, count, BATCH)]
    return Subject(name, classifier, [classifier.preprocess(part) for part in parts])


def _lrcn(folder: Path, videos: list[Path]) -> Subject:
    sys.path.insert(0, str(folder))
    classifier = load_lrcn(folder)
    clips = classifier.preprocess([vx.read_video(path) for path in videos])
    return Subject("lrcn", classifier, [clips])


def _compare(subject: Subject, method: str) -> Iterator[dict[str, object]]:
    """A row for each recipe."""
    taken: dict[str, float] = {}
    frames = subject.batches[0].frames[0]
    published = PUBLISHED_ITERATIONS * published_iteration(method, subject.classifier, frames)
    for recipe in RECIPES:
        explainer = vx.load_method(method, perturb=recipe, perturb_area=AREA, batch_size=BATCH)
        scores: dict[str, list[torch.Tensor]] = {}
        taken[recipe] = 0.0
        for clips in subject.batches:
            start = time.perf_counter()
            found = vx.explain(subject.classifier, clips, explainer, "predicted")
            taken[recipe] += time.perf_counter() - start
            for name, values in _scores(subject, clips, method, found).items():
                scores.setdefault(name, []).append(values)
        count = sum(map(len, subject.batches))
        means = {name: torch.cat(values).mean().item() for name, values in scores.items()}
        yield {
            "network": subject.name,
            "method": method,
            "recipe": recipe,
            **means,
            "s a clip": taken[recipe] / count,
            "times quicker": taken["paper"] / taken[recipe],
            "than published code (extrapolated)": published / (taken[recipe] / count),
        }


def _scores(
    subject: Subject, clips: vx.Clips, method: str, found: vx.Attribution
) -> dict[str, torch.Tensor]:
    last = (~found.curves["energy"].isnan()).sum(dim=-1, keepdim=True) - 1
    ends = {name: curve.gather(-1, last)[0, :, 0] for name, curve in found.curves.items()}
    classifier = subject.classifier
    return {
        "energy": _final_energy(method, ends),
        "kept": ends["probability"],
        "insertion AUC": InsertionAUC(batch_size=2 * BATCH)(classifier, clips, found)[0],
        "top 5 %": TopPrecision()(classifier, clips, found)[0],
        "iterations": 1.0 + last[0, :, 0],
    }


def _final_energy(method: str, ends: dict[str, torch.Tensor]) -> torch.Tensor:
    """Under the weights of the published recipe's last iteration, whatever was searched with."""
    paper = vx.load_method(method, perturb="paper")
    if not isinstance(paper, ExtremalPerturbation):
        message = f"{method} is no search"
        raise TypeError(message)
    energy = -paper.reward_weight * ends["probability"].log()
    for name, term in paper.terms.items():
        energy = energy + term.weight.at(paper.num_iter - 1) * ends[name]
    return energy


if __name__ == "__main__":
    main()
