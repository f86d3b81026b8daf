"""What a large report costs. ``python scripts/measure_report.py`` prints a table and writes JSON.

A real sweep (both networks that come with the package, five methods, four clips) is taken as often
as it takes to reach ``--jobs``, each time as if its networks had other weights. Seconds and peak
memory are those of ``videxplain-report`` in a process of its own: on a new folder, and again with
nothing new. First view is the time until the table of a view is there, and until the first of its
plots is, in headless Chromium from the disk; median of several.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tabulate import tabulate
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.browser import started  # noqa: E402

SWEEP = (
    *("-m", "model=tiny_tsm,tiny_r2plus1d", "method=grad,grad_cam,3d_ep,step,random"),
    *("data=shapes", "data.num_clips=4", "num_iter=60", "threads=2", "logger=none"),
    *("perturb_area=[0.05,0.1]", "map_area=[0.05,0.1]", "report=false"),
)
BUILD = """
import resource
from videxplain.report_cli import main
main()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
VIEWS = {
    "overview": ("overview", "tbody tr"),
    "comparison": ("comparison", "tbody tr"),
    "plot": ("comparison", ".plot .main-svg"),
    "gallery": ("gallery", "tbody tr"),
}
"""What is waited for: the view, and what of it."""
TIMES = 5
"""Views of each page."""


def main() -> None:
    """Measure, print, write."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(dir=arguments.within) as place:
        sweep = _tree(Path(place), arguments.jobs)
        first, again = _build(sweep), _build(sweep)
        report = sweep / "report"
        files = [each for each in report.rglob("*") if each.is_file()]
        row: dict[str, float] = {
            "jobs": arguments.jobs,
            "build s": first["seconds"],
            "again s": again["seconds"],
            "peak memory MB": max(first["peak_mb"], again["peak_mb"]),
            "size MB": sum(each.stat().st_size for each in files) / 1e6,
            **{f"{view} s": taken for view, taken in _views(report / "index.html").items()},
        }
    print(tabulate([row], headers="keys", tablefmt="github", floatfmt=".2f"))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(row, indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000, help="a multiple of 10")
    parser.add_argument("--within", type=Path, help="folder for some GB of temporary files")
    parser.add_argument("--output", type=Path, default=ROOT / "outputs" / "report.json")
    return parser.parse_args()


def _tree(place: Path, jobs: int) -> Path:
    """A sweep's folder of so many finished jobs."""
    command = [sys.executable, "-m", "videxplain", *SWEEP]
    subprocess.run(command, cwd=place, env=_environment(), check=True, stdout=subprocess.DEVNULL)
    (sweep,) = place.glob("outputs/sweeps/*")
    asked = json.loads((sweep / "jobs.json").read_text())
    states = [json.loads((sweep / "jobs" / f"{at}.json").read_text()) for at in range(len(asked))]
    for number in tqdm(range(len(asked), jobs), desc="copy", disable=None):
        state = states[number % len(asked)]
        folder = Path(state["folder"])
        copy = folder.with_name(hashlib.sha256(bytes(str(number), "ascii")).hexdigest()[:12])
        shutil.copytree(folder, copy, copy_function=os.link)
        told = {**json.loads((folder / "result.json").read_text()), "weights_sha256": copy.name}
        (copy / "result.json").unlink()
        (copy / "result.json").write_text(json.dumps(told))
        (sweep / "jobs" / f"{number}.json").write_text(json.dumps({**state, "folder": str(copy)}))
    many = [asked[number % len(asked)] for number in range(jobs)]
    (sweep / "jobs.json").write_text(json.dumps(many))
    return sweep


def _build(sweep: Path) -> dict[str, float]:
    command = [sys.executable, "-c", BUILD, str(sweep)]
    before = time.perf_counter()
    ran = subprocess.run(command, env=_environment(), check=True, stdout=subprocess.PIPE)
    taken = time.perf_counter() - before
    return {"seconds": taken, "peak_mb": int(ran.stdout.split()[-1]) / 1e3}


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _views(index: Path) -> dict[str, float]:
    """Seconds until something is to be read."""
    taken: dict[str, list[float]] = {name: [] for name in VIEWS}
    with started() as browser:
        for _ in range(TIMES):
            for name, (view, wait) in VIEWS.items():
                page = browser.new_page()
                before = time.perf_counter()
                page.goto(f"{index.as_uri()}#/{view}", wait_until="commit")
                page.wait_for_selector(wait)
                taken[name].append(time.perf_counter() - before)
                page.close()
    return {name: median(each) for name, each in taken.items()}


if __name__ == "__main__":
    main()
