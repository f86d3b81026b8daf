"""Where everything of a job lies, in its own folder and in that of all outputs."""

from collections.abc import Sequence
from pathlib import Path

from videxplain.sinks.files import clip_slug

RESULT = "result.json"
STATUS = "status.json"
_RESULTS, _ATTRIBUTIONS = "results", "attributions"
_NAMES = "*/*/*/*"
"""Pretrain dataset, model, method and hash of a job."""


def results_folder(outputs: Path) -> Path:
    """Where the folders of jobs are."""
    return outputs / _RESULTS


def job_folders(outputs: Path, files: Sequence[str]) -> list[Path]:
    """Folders of jobs that hold one of these files, in the order of their names."""
    results = results_folder(outputs)
    return sorted({path.parent for name in files for path in results.glob(f"{_NAMES}/{name}")})


def archive(job: Path, clip: str) -> Path:
    """Where a clip's attribution is."""
    return job / _ATTRIBUTIONS / f"{clip_slug(clip)}.npz"


def archives(job: Path) -> list[Path]:
    """Where the attributions are that a job has so far."""
    return sorted((job / _ATTRIBUTIONS).glob("[!.]*.npz"))


def record(job: Path, clip: str) -> Path:
    """Where a finished clip's record is."""
    return job / "records" / f"{clip_slug(clip)}.json"


def pixels(outputs: Path, digest: str) -> Path:
    """Where a clip's pictures are, once for all jobs that explain it."""
    return outputs / "clips" / f"{digest}.npz"
