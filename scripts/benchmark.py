"""What an iteration costs. ``python scripts/benchmark.py`` prints a table and writes JSON.

The measure is one bare pass: the network as its library loads it, log-softmax, and the gradient of
one clip's log-probability with respect to its frames. An iteration of each search is measured in
the same process, in turns with the bare pass, for one clip, one area and ``variant=preserve``;
medians over the runs. Peak memory is that of a process of its own, less what it held before the
network was built. Six areas in one optimisation stand beside six of one. Extrapolated is the time
that a clip takes with perturb=quick, and by which factor 2000 iterations of the published code take
longer (a plain transcription of it is timed); ``compare_recipes.py`` measures both to the end.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch
from tabulate import tabulate
from tqdm import tqdm

import videxplain as vx
from videxplain.devices import keep_freed_memory
from videxplain.methods.extremal.masks import MaskGrid, SmoothMaximum, default_sigma, default_step
from videxplain.models.classifier import VideoClassifier
from videxplain.words import Precision

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests import reference  # noqa: E402

MODELS = ("r2plus1d", "r3d", "mc3", "i3d", "tsm", "tiny_r2plus1d", "tiny_tsm")
LARGE = ("s3d", "mvit_v1_b", "mvit_v2_s", "swin3d_t", "swin3d_s", "swin3d_b")
"""On request: each takes minutes more on a CPU."""
METHODS = ("2d_ep", "3d_ep", "step")
PRECISIONS = ("float32", "bfloat16")
QUICK = ("r2plus1d", "tiny_r2plus1d", "tiny_tsm")
ITERATIONS = 3
"""In a run; its cost is a third of what three more iterations add."""
AREA = 0.1
AREAS = [0.05, 0.1, 0.15, 0.2, 0.3, 0.5]
QUICK_ITERATIONS = 220
"""What perturb=quick takes where it has been run to the end: 200 to settle, 20 to see it."""
PUBLISHED_ITERATIONS = 2000
PRINTED = (
    *("model", "precision", "method", "bare pass s", "iteration s", "ratio", "published ratio"),
    *("memory ratio", "six areas / 6", "mask s", "published mask s"),
    *("clip s (extrapolated)", "published / quick (extrapolated)"),
)


def main() -> None:
    """Measure, print, write."""
    arguments = _arguments()
    keep_freed_memory()  # as the command videxplain does
    if arguments.peak:
        _print_peak(*arguments.peak)
        return
    rows = [
        row
        for model in tqdm(arguments.models, desc="models", disable=None)
        for precision in arguments.precisions
        for row in _measure(model, precision, arguments)
    ]
    machine = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": _device_name(arguments.device),
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))
    shown = [{name: row[name] for name in PRINTED} for row in rows]
    print(tabulate(shown, headers="keys", tablefmt="github", floatfmt=".3g"))
    print(f"\n{machine}; written to {arguments.output}")


def _device_name(device: str) -> str:
    """With a word on what could not be measured."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name()
    there = "not asked for" if torch.cuda.is_available() else "none at hand: nothing was measured"
    return f"{device}; CUDA device: {there}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=(*MODELS, *LARGE), default=MODELS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, help="on CUDA both")
    parser.add_argument("--quick", action="store_true", help="three networks, few runs")
    parser.add_argument("--output", type=Path, default=ROOT / "outputs" / "benchmark.json")
    parser.add_argument("--peak", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.models, arguments.runs = QUICK, 3
    if not arguments.precisions:
        arguments.precisions = PRECISIONS if arguments.device.startswith("cuda") else PRECISIONS[:1]
    return arguments


def _problem(model: str, precision: Precision, device: str) -> tuple[VideoClassifier, vx.Clips]:
    """A network with random weights, where published ones would have to be fetched, and noise."""
    own = model.startswith("tiny")
    weights = "auto" if own else "random"
    classifier = vx.load_model(model, weights=weights, device=device, precision=precision)
    generator = torch.Generator().manual_seed(0)
    frames = torch.randn(1, 3, classifier.frames, *classifier.size, generator=generator)
    return classifier, vx.Clips(frames.to(device), torch.zeros(1, dtype=torch.long), ("noise",))


def _bare(classifier: VideoClassifier, frames: torch.Tensor) -> Callable[[], None]:
    """One pass of the network alone, in eager mode, from a contiguous input of its own layout."""
    mixed = classifier.precision == "bfloat16"
    inner = frames.transpose(1, 2) if classifier.layout == "b t c h w" else frames
    inner = inner.contiguous()

    def run() -> None:
        leaf = inner.clone().requires_grad_()
        with torch.autocast(frames.device.type, torch.bfloat16, enabled=mixed):
            score = classifier.net(leaf).log_softmax(dim=1)[:, 0].sum()
        torch.autograd.grad(score, leaf)

    return run


def _search(
    method: str,
    classifier: VideoClassifier,
    clips: vx.Clips,
    iterations: int,
    areas: list[float] | float = AREA,
) -> Callable[[], None]:
    explainer = vx.load_method(method, num_iter=iterations, perturb_area=areas)
    target = torch.zeros(1, dtype=torch.long, device=clips.frames.device)

    def run() -> None:
        explainer(classifier, clips, target)

    return run


def _seconds(run: Callable[[], None], device: str) -> float:
    start = time.perf_counter()
    run()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _measure(
    model: str, precision: Precision, arguments: argparse.Namespace
) -> Iterator[dict[str, object]]:
    """A row for each method."""
    device = arguments.device
    classifier, clips = _problem(model, precision, device)
    bare = _bare(classifier, clips.frames)
    long, short = (
        {method: _search(method, classifier, clips, count) for method in arguments.methods}
        for count in (1 + ITERATIONS, 1)
    )
    bare()
    first = _seconds(short[arguments.methods[0]], device)
    passes: list[float] = []
    steps: dict[str, list[float]] = {method: [] for method in arguments.methods}
    starts: dict[str, list[float]] = {method: [] for method in arguments.methods}
    for _ in range(arguments.runs):
        for method in arguments.methods:
            passes.append(_seconds(bare, device))
            start = _seconds(short[method], device)
            steps[method].append((_seconds(long[method], device) - start) / ITERATIONS)
            starts[method].append(start)
    six = _six_areas(classifier, clips, arguments)
    masks = _mask_times(classifier, device, arguments.runs)
    memory = {
        what: _peak_of(model, precision, what, device) for what in ("bare", *arguments.methods)
    }
    for method in arguments.methods:
        step, once = median(steps[method]), median(passes)
        published = published_iteration(method, classifier, clips.frames[0])
        clip = median(starts[method]) + (QUICK_ITERATIONS - 1) * step
        yield {
            "model": model,
            "precision": precision,
            "method": method,
            "bare pass s": once,
            "iteration s": step,
            "ratio": step / once,
            "set-up s": median(starts[method]) - step,
            "first set-up s": first - step if method == arguments.methods[0] else float("nan"),
            "published iteration s": published,
            "published ratio": published / once,
            "clip s (extrapolated)": clip,
            "published / quick (extrapolated)": PUBLISHED_ITERATIONS * published / clip,
            "six areas / 6": six.get(method, float("nan")),
            "bare MB": memory["bare"],
            "search MB": memory[method],
            "memory ratio": memory[method] / memory["bare"],
            "mask s": masks[0],
            "published mask s": masks[1],
        }


def published_iteration(method: str, classifier: VideoClassifier, frames: torch.Tensor) -> float:
    """Seconds that the published code, written afresh from its equations, takes for an iteration.

    Args:
        method: A search.
        classifier: The network.
        frames: One clip, ``c t h w``.
    """
    recipe, sigma = reference.RECIPES[method], default_sigma(*classifier.size)

    def run(iterations: int) -> float:
        start = time.perf_counter()
        reference.search(
            classifier, frames, 0, recipe, area=AREA, sigma=sigma, iterations=iterations
        )
        return time.perf_counter() - start

    run(1)
    return min(run(1 + ITERATIONS) - run(1) for _ in range(2)) / ITERATIONS


def _six_areas(
    classifier: VideoClassifier, clips: vx.Clips, arguments: argparse.Namespace
) -> dict[str, float]:
    """An iteration of six areas at once as a share of six iterations of one."""
    method, device = arguments.methods[-1], arguments.device
    costs: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(max(1, arguments.runs // 3)):
        for together, areas in ((True, AREAS), (False, AREA)):
            short, long = (_search(method, classifier, clips, count, areas) for count in (1, 3))
            costs[together].append(_seconds(long, device) - _seconds(short, device))
    return {method: median(costs[True]) / (len(AREAS) * median(costs[False]))}


def _mask_times(classifier: VideoClassifier, device: str, runs: int) -> tuple[float, float]:
    """Upsampling of a clip's mask, forward and backward: ours, and as published."""
    height, width = classifier.size
    sigma = default_sigma(height, width)
    grid = MaskGrid(height, width, default_step(sigma), sigma)
    cells = torch.rand(classifier.frames, *grid.cells, device=device)
    ours = SmoothMaximum(grid, cells)

    def both_ways(upsample: Callable[[torch.Tensor], torch.Tensor]) -> float:
        def run() -> None:
            leaf = cells.clone().requires_grad_()
            torch.autograd.grad(upsample(leaf).sum(), leaf)

        return median(_seconds(run, device) for _ in range(min(runs, 3)))

    published = float("nan")
    if grid.step == 7:  # noqa: PLR2004  # the only one that the published generator knows
        published = both_ways(lambda leaf: reference.upsample(leaf, height, width, sigma))
    return both_ways(lambda leaf: ours(leaf[None, None])), published


def _peak_of(*what: str) -> float:
    """Megabytes, in a process that does nothing else."""
    command = [sys.executable, __file__, "--peak", *what]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def _print_peak(model: str, precision: Precision, what: str, device: str) -> None:
    on_gpu = device.startswith("cuda")
    before = 0.0 if on_gpu else _held("VmRSS")
    classifier, clips = _problem(model, precision, device)
    run = (
        _bare(classifier, clips.frames)
        if what == "bare"
        else _search(what, classifier, clips, ITERATIONS)
    )
    if not on_gpu:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    run()
    peak = torch.cuda.max_memory_allocated() if on_gpu else _held("VmHWM")
    print((peak - before) / 1e6)


def _held(what: str) -> float:
    """Bytes of this process, now (``VmRSS``) or at most (``VmHWM``); Linux only."""
    status = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in status if line.startswith(what))
    return 1024 * float(line.split()[1])


if __name__ == "__main__":
    main()
