"""What a job writes about itself: which run asked for it, how far it is, with which versions."""

import logging
import platform
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from videxplain import __version__, building
from videxplain.errors import OutputError
from videxplain.paths import given_path
from videxplain.sinks.files import write_json, writing
from videxplain.sinks.locks import locked
from videxplain.sinks.places import STATUS
from videxplain.sinks.stored import read_valid

log = logging.getLogger(__name__)

LOG = "job.log"
_PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "opencv-python-headless",
    "scikit-image",
    "hydra-core",
)


class _Group(TypedDict):
    jobs: list[str]


_GROUP = TypeAdapter(_Group)


def versions() -> dict[str, str]:
    """Of what a result depends on."""
    ours = {"videxplain": __version__, "python": platform.python_version()}
    return {**ours, **{package: version(package) for package in _PACKAGES}}


def join_group(completed: Mapping[str, Any], folder: Path) -> None:
    """Note under the run's label that it asked for this job.

    Raises:
        OutputError: If that cannot be written.
    """
    outputs = given_path(completed["outputs_dir"])
    path = outputs / "groups" / f"{completed['save_label'] or 'default'}.json"
    name = folder.relative_to(outputs).as_posix()
    with locked(path.with_suffix(".lock")):  # jobs side by side note themselves too
        told = read_valid(path, _GROUP.validate_python)
        jobs = told["jobs"] if told else []
        if name not in jobs:
            write_json(path, {"jobs": [*jobs, name]})


@contextmanager
def status(folder: Path) -> Iterator[None]:
    """Keep ``status.json`` and ``job.log`` of the job up to date, whatever happens.

    Raises:
        OutputError: If they cannot be written.
    """
    write_json(folder / STATUS, {"state": "running"})
    with writing(folder / LOG):
        if (folder / LOG).is_symlink():
            (folder / LOG).unlink()  # it would be followed, and what it leads to is not ours
        handler = _JobLog(folder / LOG, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    package = logging.getLogger(building.PACKAGE)
    package.addHandler(handler)
    try:
        yield
        write_json(folder / STATUS, {"state": "done"})
    except BaseException as error:
        handler.handle(
            log.makeRecord(log.name, logging.ERROR, __file__, 0, "failed", (), sys.exc_info())
        )
        traced = "".join(traceback.format_exception(error))
        with suppress(OutputError):  # what went wrong before it is what must be told
            write_json(folder / STATUS, {"state": "failed", "error": traced})
        raise
    finally:
        package.removeHandler(handler)
        with suppress(OSError):  # a full disk
            handler.close()


class _JobLog(logging.FileHandler):
    """A log without which a job goes on: what a full disk means for it, its results tell."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Print no traceback of a line that could not be written."""
