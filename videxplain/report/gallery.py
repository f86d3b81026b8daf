"""Pictures and curves of every clip and job, as the page shows them."""

import base64
import io
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange
from jaxtyping import UInt8
from PIL import Image

from videxplain import figures
from videxplain.report.curves import JobCurves
from videxplain.report.finished import Finished
from videxplain.report.page_files import data_file, put
from videxplain.sinks.arrays import damaged
from videxplain.sinks.disk import REMOVE, is_of, load_attribution
from videxplain.sinks.files import clip_slug
from videxplain.sinks.pixels import load_pixels
from videxplain.types import Attribution

_QUALITY = 85
"""Of the clips' own pictures."""
_QUICK = 1
"""PNG's compression: the most takes five times as long for a tenth less."""
_ANSWERS = ("target", "prediction", "probability")
"""What a record says of the whole clip."""


@dataclass(frozen=True)
class Shown:
    """A clip as the gallery shows what a job says of it.

    Attributes:
        clip: Its name.
        label: Its class, if known.
        not_preserved: Masks through which the class is not the network's first choice.
        tile: What the page says of it.
    """

    clip: str
    label: str | None
    not_preserved: int
    tile: Mapping[str, Any]


def write_media(to: Path, job: Finished) -> list[Shown]:
    """Write what is drawn of a job, clip by clip.

    Args:
        to: Folder of the report.
        job: A finished one.

    Raises:
        OutputError: If an attribution cannot be read, or a file not written.
    """
    rows: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for record in job.records:
        rows[record["clip"]].append(record)
    of_job, shown = JobCurves(), []
    first: Attribution | None = None
    for clip, records in rows.items():
        attribution = _load(job.attribution(clip), records, first)
        first = first or attribution
        of_clip = JobCurves()
        for curves in (of_job, of_clip):
            curves.add(attribution, records, job.polarity)
        frames = _write_frames(to, job, clip)
        _write_sheets(to, job, clip, attribution, of_clip)
        shown.append(_shown(job, attribution, records, frames))
    put(to, f"jobs/{job.name}", of_job.means())
    return shown


def clip_files(shown: Sequence[Shown]) -> Iterator[tuple[str, object]]:
    """Names and contents of the files that list the clips, and the tiles of each.

    Args:
        shown: Of all jobs.
    """
    clips: dict[str, list[Shown]] = defaultdict(list)
    for each in shown:
        clips[each.clip].append(each)
    listed = [
        {
            "clip": clip_slug(clip),
            "name": clip,
            "label": own[0].label,
            "jobs": len(own),
            "not_preserved": sum(each.not_preserved for each in own),
        }
        for clip, own in clips.items()
    ]
    yield "clips", {"clips": listed}
    for clip, own in clips.items():
        tiles = [each.tile for each in own]
        yield f"clips/{clip_slug(clip)}", {"name": clip, "label": own[0].label, "tiles": tiles}


def _load(
    path: Path, records: Sequence[Mapping[str, Any]], first: Attribution | None
) -> Attribution:
    """What is of one kind with the job's first clip, and with the clip's own records."""
    found = load_attribution(path)
    if not is_of(found, [each["area"] for each in records]):
        raise damaged(path, "it has other areas than its record", REMOVE)
    if first is not None and found.values.shape != first.values.shape:
        raise damaged(path, "it has another shape than that of the job's first clip", REMOVE)
    return found


def _shown(
    job: Finished,
    attribution: Attribution,
    records: Sequence[Mapping[str, Any]],
    pixels: str | None,
) -> Shown:
    first, areas = records[0], attribution.areas
    failed = [each for each in records if areas and each["metrics"].get("preserved") == 0]
    tile = {
        **job.names,
        **{key: first[key] for key in _ANSWERS},
        "job": job.name,
        "frames": pixels,
        "polarity": job.polarity,
        "command": job.command,
        "faded": figures.GREY if job.perturbation == "fade" else None,
        "maps": [{"area": area} for area in areas or (None,)],
        "records": [{"area": each["area"], "metrics": each["metrics"]} for each in records],
    }
    return Shown(first["clip"], first["label"], len(failed), tile)


def _write_frames(to: Path, job: Finished, clip: str) -> str | None:
    """The clip's pictures, once for all jobs; None where none were kept."""
    kept = job.pixels(clip)
    if kept is None:
        return None
    name = f"frames/{kept.stem}"
    if not data_file(to, name).is_file():
        frames = load_pixels(kept)
        nothing = np.zeros(frames.shape[:3], np.float32)
        sheets = {"original": frames, "blurred": figures.seen_through(frames, nothing)}
        drawn = {
            key: _picture(_sheet(each), "webp", quality=_QUALITY) for key, each in sheets.items()
        }
        put(to, name, {**_layout(frames), **drawn})
    return kept.stem


def _write_sheets(
    to: Path, job: Finished, clip: str, attribution: Attribution, curves: JobCurves
) -> None:
    """Heat maps and curves of a clip, unless they are there, with the time of its record.

    That is written last, whether the clip is explained anew or measured by another metric.
    """
    name = f"media/{job.name}/{clip_slug(clip)}"
    file, made = data_file(to, name), job.record(clip).stat().st_mtime_ns
    if file.is_file() and file.stat().st_mtime_ns == made:
        return
    maps = range(len(attribution.values))
    heats = [figures.heat(attribution, 0, area, job.polarity) for area in maps]
    levels = [(heat * 255).round().astype(np.uint8) for heat, _ in heats]
    sheets = [_picture(_sheet(each[..., None]), "png", compress_level=_QUICK) for each in levels]
    told = {"sheets": sheets, "scales": [scale for _, scale in heats]}
    put(to, name, {**_layout(levels[0]), **told, **curves.means()})
    os.utime(file, ns=(made, made))  # an order of times would trust a clock that may be set back


def _layout(frames: UInt8[np.ndarray, "t h w *c"]) -> Mapping[str, int]:
    count, height, width = frames.shape[:3]
    return {"count": count, "height": height, "width": width, "columns": _columns(count)}


def _columns(count: int) -> int:
    return int(np.ceil(np.sqrt(count)))


def _sheet(frames: UInt8[np.ndarray, "t h w c"]) -> UInt8[np.ndarray, "more_h more_w c"]:
    """All frames in one picture, row by row."""
    columns = _columns(len(frames))
    missing = -len(frames) % columns
    padded = np.pad(frames, ((0, missing), (0, 0), (0, 0), (0, 0)))
    return rearrange(padded, "(row column) h w c -> (row h) (column w) c", column=columns)


def _picture(sheet: UInt8[np.ndarray, "h w c"], kind: str, **options: int) -> str:
    """As text that a page can show, and read the pixels of, from the disk."""
    buffer = io.BytesIO()
    Image.fromarray(sheet.squeeze(-1) if sheet.shape[-1] == 1 else sheet).save(
        buffer, kind, **options
    )
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
