"""Where everything of a job lies, in its own folder and in that of all outputs."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from videxplain.sinks.files import clip_slug

FOLDER_NAME = re.compile(r"[\w-][\w.-]{0,80}")
"""Name of a choice, as far as it is one of a folder, and leads nowhere."""
RESULT = "result.json"
STATUS = "status.json"
_RESULTS, _ATTRIBUTIONS, _SHARDS = "results", "attributions", "shards"
_DEPTH = 4
"""Folders from a job's up to that of all: pretrain dataset, model, method and hash."""
_NAMES = "/".join("*" * _DEPTH)


def results_folder(outputs: Path) -> Path:
    """Where the folders of jobs are."""
    return outputs / _RESULTS


def outputs_of(job: Path) -> Path | None:
    """The folder of outputs that a job's folder lies in; None for one that was taken elsewhere."""
    above = job.parents[_DEPTH - 1 :]
    return above[1] if above and above[0].name == _RESULTS else None


def job_folders(outputs: Path, files: Sequence[str]) -> list[Path]:
    """Folders of jobs of which they, or a share, hold one of these files, ordered by name."""
    return sorted({whole_folder(account) for name in files for account in _with(outputs, name)})


def _with(outputs: Path, file: str) -> Iterator[Path]:
    for place in (_NAMES, f"{_NAMES}/{_SHARDS}/*"):
        yield from (path.parent for path in results_folder(outputs).glob(f"{place}/{file}"))


def shard_folder(job: Path, shard: str) -> Path:
    """Where a share's job keeps account of itself.

    Args:
        job: Folder of the whole.
        shard: ``i/n``.
    """
    return job / _SHARDS / shard.replace("/", "-of-")


def shard_folders(job: Path) -> list[Path]:
    """Of every share that kept account of itself, of however many."""
    return sorted((job / _SHARDS).glob("*"))


def whole_folder(account: Path) -> Path:
    """The folder of the whole that a share, or no share, keeps account of."""
    return account.parents[1] if account.parent.name == _SHARDS else account


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
