"""What files of results hold; one that holds anything else is damaged, like one that is cut off."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from videxplain.errors import OutputError
from videxplain.sinks.files import LARGEST, read_json, set_aside
from videxplain.sinks.places import FOLDER_NAME
from videxplain.words import Polarity

_PIXELS = re.compile(r"\A[0-9a-f]{16}\Z")
"""Name of a clip's pictures: it becomes that of a file."""
_NAME_BYTES, _PATH_BYTES = 255, 4096
"""Of the longest that systems allow."""
_BELOW = 200
"""Bytes that are left for the names of what lies in a folder."""

Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
"""One that can be reckoned with."""


def _possible(folder: str) -> str:
    name = folder.encode("utf-8", "surrogateescape")
    longest = max(map(len, name.split(b"/")))
    if b"\0" in name or longest > _NAME_BYTES or len(name) > _PATH_BYTES - _BELOW:
        message = "no folder can be called so"
        raise ValueError(message)
    return folder


Place = Annotated[str, AfterValidator(_possible)]
"""Path of a folder, whether it is there or not."""


class _Curve(TypedDict):
    shares: Annotated[list[Number | None], Field(min_length=1)]
    values: list[Number | None]


def _of_one_length(curve: _Curve) -> _Curve:
    if len(curve["shares"]) != len(curve["values"]):
        message = "it has not as many values as shares"
        raise ValueError(message)
    return curve


class StoredRecord(TypedDict):
    """A `videxplain.types.Record`, null in place of NaN."""

    clip: str
    area: Annotated[float, Field(gt=0, lt=1)] | None
    label: str | None
    target: str
    prediction: str
    probability: Number
    metrics: dict[str, Number | None]
    curves: dict[str, Annotated[_Curve, AfterValidator(_of_one_length)]]


def _alike(records: list[StoredRecord]) -> list[StoredRecord]:
    if any(each["metrics"].keys() != records[0]["metrics"].keys() for each in records):
        message = "its records have not the same metrics"
        raise ValueError(message)
    return records


Records = Annotated[list[StoredRecord], AfterValidator(_alike)]


Choice = Annotated[str, StringConstraints(pattern=re.compile(rf"\A{FOLDER_NAME.pattern}\Z"))]


class _Choices(TypedDict):
    model: Choice
    method: Choice


class _Named(TypedDict):
    name: Choice


class _Measure(TypedDict):
    higher_is_better: bool | None


class _Config(TypedDict):
    choices: _Choices
    pretrain_dataset: _Named
    model: dict[str, Any]
    method: dict[str, Any]
    data: dict[str, Any]
    metrics: NotRequired[dict[str, dict[str, Any]] | None]
    polarity: NotRequired[Polarity]
    seed: NotRequired[int]
    batch_size: NotRequired[int]


class StoredOutcome(TypedDict):
    """result.json; other keys may be there."""

    format: int
    state: Literal["done", "skipped"]
    reason: NotRequired[str | None]
    config: _Config
    records: Records
    command: NotRequired[list[str] | None]
    weights_sha256: NotRequired[str | None]
    measures: NotRequired[dict[str, _Measure]]
    evaluated: NotRequired[dict[str, dict[str, Any]]]
    timings: NotRequired[dict[str, Number]]


class StoredClip(TypedDict):
    """A file of records/."""

    clip: str
    pixels: Annotated[str, StringConstraints(pattern=_PIXELS)] | None
    records: Annotated[Records, Field(min_length=1)]


def _of_one_clip(told: StoredClip) -> StoredClip:
    if any(each["clip"] != told["clip"] for each in told["records"]):
        message = "its records are of another clip"
        raise ValueError(message)
    return told


class StoredStatus(TypedDict):
    """status.json."""

    state: Literal["running", "done", "failed"]
    error: NotRequired[str | None]


_OUTCOME, _STATUS = TypeAdapter(StoredOutcome), TypeAdapter(StoredStatus)
_CLIP = TypeAdapter(Annotated[StoredClip, AfterValidator(_of_one_clip)])


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


def read_status(path: Path) -> Any:  # noqa: ANN401
    """A `StoredStatus`, in the way of `read_outcome`."""
    return read_valid(path, partial(_STATUS.validate_python, strict=True))


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
