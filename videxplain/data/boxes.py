"""Evidence that somebody marked: boxes in the frames of the user's own videos."""

import csv
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from videxplain.errors import DataError
from videxplain.paths import given_path
from videxplain.types import Video

log = logging.getLogger(__name__)

COLUMNS = ("clip", "frame", "x0", "y0", "x1", "y1")


class Box(NamedTuple):
    """Pixels of one frame, in its decoded size.

    Attributes:
        x0: First column, counted from 0.
        y0: First row.
        x1: Column after the last.
        y1: Row after the last.
    """

    x0: int
    y0: int
    x1: int
    y1: int


Boxes = Mapping[int, Sequence[Box]]
"""By the number of the frame, counted from 0."""


def with_boxes(videos: Iterable[Video], path: str, names: Sequence[str]) -> list[Video]:
    """Let videos say what their evidence is; a clip without boxes has none.

    Args:
        videos: Found in a folder, or a share of them.
        path: A CSV file with the columns ``clip`` (the video's name, with or without its suffix),
            ``frame`` (from 0) and ``x0, y0, x1, y1`` (pixels; the last two lie outside).
        names: Of all videos in the folder.

    Raises:
        DataError: If the file cannot be used, or is about none of the videos.
    """
    boxes, marked = _read(given_path(path)), []
    if not any(_of(name, boxes) for name in names):
        message = f"{path} has boxes of {', '.join(list(boxes)[:3]) or 'no clip'}: none is there"
        raise DataError(message)
    for video in videos:
        own = _of(video.name, boxes)
        late = max(own, default=0)
        if late >= video.length:
            message = f"{path}: {video.name} has no frame {late}: it has {video.length}, from 0"
            raise DataError(message)
        marked.append(replace(video, read_truth=partial(_truth, video, own)))
    return marked


def _of(name: str, boxes: Mapping[str, Boxes]) -> Boxes:
    """Of a video, whose name may stand without its suffix; none if nothing is said of it."""
    return boxes.get(name) or boxes.get(str(PurePath(name).with_suffix(""))) or {}


def _truth(video: Video, boxes: Boxes, indices: Sequence[int]) -> Bool[np.ndarray, "t h w"]:
    height, width = video.read(indices[:1]).shape[1:3]
    truth = np.zeros((len(indices), height, width), dtype=bool)
    for place, index in enumerate(indices):
        for box in boxes.get(index, ()):
            truth[place, box.y0 : box.y1, box.x0 : box.x1] = True
    if boxes and not truth.any():
        seen = ", ".join(map(str, indices))
        log.warning("no box of %s lies in a frame that the network sees (%s)", video.name, seen)
    return truth


def _read(path: Path) -> dict[str, dict[int, list[Box]]]:
    boxes: dict[str, dict[int, list[Box]]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            missing = set(COLUMNS) - set(rows.fieldnames or ())
            if missing:
                message = f"{path} lacks the columns {', '.join(sorted(missing))}"
                raise DataError(message)
            for row in rows:
                frame, box = _parse(row, f"{path}, line {rows.line_num}")
                boxes.setdefault(row["clip"], {}).setdefault(frame, []).append(box)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"data.boxes={path} cannot be read ({error}): give a CSV file"
        raise DataError(message) from error
    return boxes


def _parse(row: Mapping[str, str], where: str) -> tuple[int, Box]:
    try:
        frame = int(row["frame"])
        x0, y0, x1, y1 = (float(row[each]) for each in COLUMNS[2:])
        box = Box(math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1))
    except (TypeError, ValueError, OverflowError):
        frame, box = -1, Box(0, 0, 0, 0)
    if frame < 0 or not (0 <= box.x0 < box.x1 and 0 <= box.y0 < box.y1):
        message = f"{where}: give a frame from 0, and numbers with 0 <= x0 < x1 and 0 <= y0 < y1"
        raise DataError(message)
    if not row["clip"]:  # None in a row that is too short
        message = f"{where}: name the clip"
        raise DataError(message)
    return frame, box
