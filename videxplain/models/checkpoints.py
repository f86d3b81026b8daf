"""What is known of the published weights files. Imports no torch."""

import codecs
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict
from pydantic.dataclasses import dataclass

from videxplain.errors import WeightsError
from videxplain.models.fetch import fetch
from videxplain.paths import given_path

_CHUNK = 1 << 20
_GLANCE = 512
_POINTER = b"version https://git-lfs"


def cache_folder(weights_dir: str | None = None) -> Path:
    """Where published files are kept.

    Args:
        weights_dir: A folder; None takes PyTorch's own, ``$TORCH_HOME/hub/checkpoints``.
    """
    if weights_dir is not None:
        return given_path(weights_dir)
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = Path(os.environ.get("TORCH_HOME", Path(caches) / "torch"))
    return home.expanduser() / "hub" / "checkpoints"


def _file_name(name: str) -> str:
    if not name or Path(name).name != name or name.startswith("."):
        message = f"{name!r} is no file name: give one without a folder"
        raise ValueError(message)
    return name


def _of_a_file(url: str) -> str:
    _file_name(_last_part(url))
    return url


def _last_part(url: str) -> str:
    return url.rsplit("/", 1)[-1]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Checkpoint:
    """One published file.

    Attributes:
        url: Where it is; https.
        pretrain_datasets: The data sets that it serves.
        licence: SPDX name, as its source states it.
        file: Its name here; None takes the URL's.
        sha256: The digest's first hex digits, as many as are published.
        git_blob: Its object name in git (``git hash-object``), where it lies in a repository.
        megabytes: Its size, where it is stated.
        trained_with: Keys of the model's file that follow from these weights.
    """

    url: Annotated[str, AfterValidator(_of_a_file)]
    pretrain_datasets: tuple[str, ...]
    licence: str
    file: Annotated[str, AfterValidator(_file_name)] | None = None
    sha256: str | None = None
    git_blob: str | None = None
    megabytes: float | None = None
    trained_with: Mapping[str, Any] | None = None

    def path(self, weights_dir: str | None = None) -> Path:
        """Where it is kept, whether it is there or not."""
        return cache_folder(weights_dir) / (self.file or _last_part(self.url))

    def local_file(self, weights_dir: str | None = None) -> Path:
        """The local copy, fetched if it is not there yet.

        Raises:
            WeightsError: If it cannot be fetched, or what came is not the published file.
        """
        path = self.path(weights_dir)
        if path.is_dir():
            message = f"{path} is a folder where a file shall be: move it away"
            raise WeightsError(message)
        if not path.is_file():
            fetch(self.url, path, self.check)
        return path

    def matches(self, path: Path) -> bool | None:
        """Whether a file is this one, byte for byte; None where no digest is published."""
        if self.sha256 is not None:
            return file_sha256(path).startswith(self.sha256)
        if self.git_blob is not None:
            return git_blob(path) == self.git_blob
        return None

    def check(self, path: Path) -> None:
        """Refuse a file that is not this one.

        Raises:
            WeightsError: If its digest is another than the published one.
        """
        if self.matches(path) is False:
            message = (
                f"what came from {self.url} is not the published file, its digest is another: "
                "try later, or give weights=<path> of a copy"
            )
            raise WeightsError(message)


def check_file(path: Path) -> None:
    """Refuse what a glance shows to be something else than weights.

    Raises:
        WeightsError: If it is missing, a folder, empty, a web page, or a pointer to a file.
    """
    # these, unlike pathlib's, take a name that is too long for one that is not there
    if os.path.isdir(path):  # noqa: PTH112
        message = f"weights={path} is a folder: give the path of a weights file"
        raise WeightsError(message)
    if not os.path.isfile(path):  # noqa: PTH113
        message = f"weights={path} is not a file: give the path of a weights file, auto or random"
        raise WeightsError(message)
    try:
        with path.open("rb") as file:
            start = file.read(_GLANCE).removeprefix(codecs.BOM_UTF8).lstrip()
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}): mend its permissions, or copy it"
        raise WeightsError(message) from error
    if not start:
        message = f"{path} is an empty file: remove it and fetch it again"
        raise WeightsError(message)
    if start.startswith(b"<") and b"\0" not in start:  # a safetensors file may begin with it too
        message = (
            f"{path} is a web page, not weights: open it in a browser to read what the server "
            "wanted, then fetch the file itself"
        )
        raise WeightsError(message)
    if start.startswith(_POINTER):
        message = (
            f"{path} is a pointer of git LFS, not weights: run `git lfs pull` where it is from"
        )
        raise WeightsError(message)


def file_sha256(path: Path) -> str:
    """Digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_blob(path: Path) -> str:
    """What ``git hash-object`` prints for a file."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
