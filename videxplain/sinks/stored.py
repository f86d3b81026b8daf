"""What files of results hold; one that holds anything else is damaged, like one that is cut off."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from videxplain.errors import OutputError
from videxplain.sinks.files import read_json, set_aside

_PIXELS = re.compile(r"\A[0-9a-f]{16}\Z")
"""Name of a clip's pictures: it becomes that of a file."""


class StoredRecord(TypedDict):
    """A `videxplain.types.Record`, null in place of NaN."""

    clip: str
    area: float | None
    label: str | None
    target: str
    prediction: str
    probability: float | None
    metrics: dict[str, float | None]
    curves: dict[str, dict[str, list[float | None]]]


def _alike(records: list[StoredRecord]) -> list[StoredRecord]:
    if any(each["metrics"].keys() != records[0]["metrics"].keys() for each in records):
        message = "its records have not the same metrics"
        raise ValueError(message)
    return records


Records = Annotated[list[StoredRecord], AfterValidator(_alike)]


class _Choices(TypedDict):
    model: str
    method: str


class _Named(TypedDict):
    name: str


class _Config(TypedDict):
    choices: _Choices
    pretrain_dataset: _Named
    model: dict[str, Any]
    method: dict[str, Any]
    data: dict[str, Any]
    metrics: NotRequired[dict[str, dict[str, Any]] | None]


class StoredOutcome(TypedDict):
    """result.json; other keys may be there."""

    format: int
    state: Literal["done", "skipped"]
    reason: NotRequired[str | None]
    config: _Config
    records: Records
    command: NotRequired[list[str] | None]
    weights_sha256: NotRequired[str | None]
    measures: NotRequired[dict[str, dict[str, Any]]]
    evaluated: NotRequired[dict[str, dict[str, Any]]]
    timings: NotRequired[dict[str, float]]


class StoredClip(TypedDict):
    """A file of records/."""

    clip: str
    pixels: Annotated[str, StringConstraints(pattern=_PIXELS)] | None
    records: Records


_OUTCOME, _CLIP = TypeAdapter(StoredOutcome), TypeAdapter(StoredClip)


def read_outcome(path: Path) -> Any:  # noqa: ANN401
    """A `StoredOutcome` as it is there; None if there is none, or nothing of use.

    A damaged file is moved aside, so that what it held is made anew.

    Args:
        path: The file.

    Raises:
        OutputError: If it is there and cannot be read, or not be moved.
    """
    return read_valid(path, partial(_OUTCOME.validate_python, strict=True))


def read_clip(path: Path) -> Any:  # noqa: ANN401
    """A `StoredClip`, in the way of `read_outcome`."""
    return read_valid(path, partial(_CLIP.validate_python, strict=True))


def unreadable(path: Path) -> OutputError:
    """What is raised where a record must be there and is not."""
    return OutputError(
        f"{path} cannot be read (gone or damaged): compute it again with overwrite=true"
    )


def read_valid(path: Path, validate: Callable[..., object], kind: type = dict) -> Any:  # noqa: ANN401
    """What a file holds, in the way of `read_outcome`.

    Args:
        path: The file.
        validate: Pydantic's, of what it must be.
        kind: Of the values in it.
    """
    found = read_json(path, kind)
    if found is None:
        return None
    try:
        validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        set_aside(path, f"{place}: {first['msg']}" if place else first["msg"])
        return None
    return found
