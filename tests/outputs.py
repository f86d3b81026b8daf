"""What jobs and sweeps left on disk."""

import csv
import os
from pathlib import Path

import numpy as np


def summary(folder: Path = Path()) -> list[dict[str, str]]:
    """Of the newest sweep."""
    path = max(folder.glob("outputs/sweeps/*/summary.csv"), key=os.path.getmtime)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def results(folder: Path = Path()) -> list[Path]:
    """Of finished jobs."""
    return sorted(folder.glob("outputs/results/*/*/*/*/result.json"))


def records(folder: Path) -> dict[Path, int]:
    """Of finished clips, with the time at which each was written."""
    found = folder.glob("outputs/results/**/records/[!.]*.json")
    return {path: path.stat().st_mtime_ns for path in found}


def contents(folder: Path) -> dict[str, list[bytes]]:
    """Attributions and records, bit for bit."""
    root = folder / "outputs" / "results"
    arrays = {
        str(path.relative_to(root)): [value.tobytes() for value in np.load(path).values()]
        for path in root.glob("**/attributions/[!.]*.npz")
    }
    return arrays | {str(path.relative_to(root)): [path.read_bytes()] for path in records(folder)}
