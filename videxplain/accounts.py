"""What a job writes about itself: which run asked for it, how far it is, with which versions."""

import json
import logging
import platform
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock

from videxplain import __version__, catalog
from videxplain.sinks.files import write_json
from videxplain.sinks.shards import STATUS

log = logging.getLogger(__name__)

_PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless", "hydra-core")


def versions() -> dict[str, str]:
    """Of what a result depends on."""
    ours = {"videxplain": __version__, "python": platform.python_version()}
    return {**ours, **{package: version(package) for package in _PACKAGES}}


def join_group(completed: Mapping[str, Any], folder: Path) -> None:
    """Note under the run's label that it asked for this job."""
    outputs = Path(completed["outputs_dir"]).expanduser()
    path = outputs / "groups" / f"{completed['save_label'] or 'default'}.json"
    name = folder.relative_to(outputs).as_posix()
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # jobs side by side note themselves too
        jobs = json.loads(path.read_text(encoding="utf-8"))["jobs"] if path.is_file() else []
        if name not in jobs:
            write_json(path, {"jobs": [*jobs, name]})


@contextmanager
def status(folder: Path) -> Iterator[None]:
    """Keep ``status.json`` and ``job.log`` of the job up to date, whatever happens."""
    write_json(folder / STATUS, {"state": "running"})
    handler = logging.FileHandler(folder / "job.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    package = logging.getLogger(catalog.PACKAGE)
    package.addHandler(handler)
    try:
        yield
        write_json(folder / STATUS, {"state": "done"})
    except BaseException as error:
        handler.handle(
            log.makeRecord(log.name, logging.ERROR, __file__, 0, "failed", (), sys.exc_info())
        )
        traced = "".join(traceback.format_exception(error))
        write_json(folder / STATUS, {"state": "failed", "error": traced})
        raise
    finally:
        package.removeHandler(handler)
        handler.close()
