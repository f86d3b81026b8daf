"""Which method finds the moving object? ``python scripts/compare_shapes.py`` prints a table.

For each network and method: the share of the 5 % most salient voxels that lie inside the moving
object, in the frames in which it moves; mean over the clips, and its standard error.
"""

import argparse
import math

import torch
from tabulate import tabulate
from tqdm import tqdm

import videxplain as vx
from videxplain.metrics.localisation import TopPrecision

NETWORKS = ("tiny_r2plus1d", "tiny_tsm")
SEARCHED = ("2d_ep", "3d_ep", "step")
METHODS = (
    "grad",
    "grad_x_input",
    "integrated_grad",
    "smooth_grad",
    "grad_cam",
    *SEARCHED,
    "center",
    "random",
)
BATCH = 4


def main() -> None:
    """Explain the clips with every method, then print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--iterations", type=int, default=400)
    parser.add_argument("--perturb", choices=("quick", "paper"), default="quick")
    parser.add_argument("--area", type=float, default=0.05)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    arguments = parser.parse_args()
    recipe = {
        "perturb": arguments.perturb,
        "num_iter": arguments.iterations,
        "perturb_area": arguments.area,
    }
    rows = {method: [method] for method in arguments.methods}
    for network in NETWORKS:
        classifier = vx.load_model(network)
        videos = vx.shapes(num_clips=arguments.clips)
        batches = [
            classifier.preprocess(videos[i : i + BATCH]) for i in range(0, len(videos), BATCH)
        ]
        for method in tqdm(arguments.methods, desc=network, disable=None):
            searched = method in SEARCHED
            scores = []
            for clips in batches:
                explainer = vx.load_method(method, **(recipe if searched else {}))
                attribution = vx.explain(classifier, clips, explainer, "label")
                scores += TopPrecision()(classifier, clips, attribution)[0].tolist()
            rows[method].append(_mean(scores))
    print(tabulate(rows.values(), ["method", *NETWORKS], tablefmt="github"))


def _mean(scores: list[float]) -> str:
    values = torch.tensor(scores)
    error = values.std().item() / math.sqrt(len(scores))
    return f"{values.mean().item():.3f} ± {error:.3f}"


if __name__ == "__main__":
    main()
