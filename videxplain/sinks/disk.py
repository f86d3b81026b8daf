"""Results on disk, in the folder of a job; they are the truth that reports and resumes read."""

import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from videxplain.figures import draw
from videxplain.sinks import places
from videxplain.sinks.arrays import damaged, is_whole, read_arrays, write_arrays
from videxplain.sinks.files import (
    clip_slug,
    set_aside,
    write_json,
    write_whole,
    writing,
)
from videxplain.sinks.locks import locked
from videxplain.sinks.pixels import digest, keep_pixels
from videxplain.sinks.shards import clips_of, join, read
from videxplain.sinks.stored import read_clip, unreadable
from videxplain.types import Attribution, Clips, Record
from videxplain.words import Polarity

_CURVE = "curve_"
_KINDS = {"values": ("f", 5), "areas": ("f", 1), "target": ("i", 0), "signed": ("b", 0)}
"""Of a clip's arrays: numpy's letter for the type, and how many axes."""
_KIND_OF_CURVES = ("f", 2)
_CHANNELS = (1, 3)
REMOVE = ", or remove it: the same command then computes this clip alone"
"""What else can be done about a damaged attribution."""


@dataclass(frozen=True)
class DiskSink:
    """Write each clip's attribution, record and pictures.

    Attributes:
        outputs: Root of all results; clips are kept there once for all jobs.
        folder: Of this job.
        polarity: How pictures reduce signed values.
        shard: Which share of the clips is kept, ``i/n``; None for all.
        explained_by: Method and network, as pictures name them.
    """

    outputs: Path
    folder: Path
    polarity: Polarity = "positive"
    shard: str | None = None
    explained_by: str = ""

    @property
    def account(self) -> Path:
        """Where the job says how far it is: a share has a folder of its own."""
        return self.folder if self.shard is None else places.shard_folder(self.folder, self.shard)

    def alone(self) -> AbstractContextManager[None]:
        """Let one process at a time do this job; who waits then finds what was done.

        Raises:
            OutputError: If the folder cannot be made or written to.
        """
        told = f"another process does this job: waiting for it ({self.account})"
        return locked(self.account / "job.lock", told)

    def write(self, records: Sequence[Record], clips: Clips, attribution: Attribution) -> None:
        """Keep a batch; a clip's record comes last, so that it says the clip is finished.

        Args:
            records: Of each clip in turn, one an area, and one a cut of a map.
            clips: The batch.
            attribution: What was found of it.

        Raises:
            OutputError: If it cannot be written; finished clips stay.
        """
        for index, (name, group) in enumerate(groupby(records, attrgetter("clip"))):
            slug, own = clip_slug(name), list(group)
            record = places.record(self.folder, name)
            with writing(record):  # of an earlier run, which must not speak for what follows
                record.unlink(missing_ok=True)
            arrays = _arrays(attribution, index, own[0].label)
            write_arrays(places.archive(self.folder, name), arrays)
            pixels = keep_pixels(self.outputs, clips, index)
            shown = own[: len(attribution.values)]  # a map's cuts follow
            look = (self.polarity, self.explained_by)
            for suffix, save in draw(clips, attribution, index, shown, *look):
                write_whole(self.folder / "figures" / f"{slug}{suffix}", save)
            finished = {"clip": name, "pixels": pixels, "records": [asdict(each) for each in own]}
            write_json(record, finished)

    def closed(self, clips: Sequence[str]) -> Path | None:
        """Where the outcome for these clips is: in the whole, or in this share; None if nowhere."""
        whole = read(self.folder)
        if whole is not None and self._is_for(clips, whole):
            return self.folder
        own = None if self.shard is None else read(self.account)
        if own is None or clips_of(own) != list(clips):
            return None
        self._join()  # a stop may have come in between
        return self.account

    def reopen(self, *, overwrite: bool) -> None:
        """Let a stop on the way not look finished.

        Args:
            overwrite: Whether all is computed anew, so that no share of before counts.
        """
        stale = [self.folder / places.RESULT, self.account / places.RESULT]
        if overwrite and self.shard is None:
            stale += [folder / places.RESULT for folder in places.shard_folders(self.folder)]
        for file in stale:
            with writing(file):
                file.unlink(missing_ok=True)

    def close(self, outcome: Mapping[str, object]) -> None:
        """Write ``result.json``: the job is finished; so is the whole with its last share."""
        write_json(self.account / places.RESULT, dict(outcome))
        self._join()

    def _join(self) -> None:
        whole = None if self.shard is None else join(self.folder, self.shard)
        if whole is not None:
            write_json(self.folder / places.RESULT, whole)

    def _is_for(self, clips: Sequence[str], whole: Mapping[str, Any]) -> bool:
        if self.shard is None:
            return clips_of(whole) == list(clips)
        return set(clips) <= set(clips_of(whole))

    def records(self, clip: str, metrics: Collection[str] = ()) -> list[Record] | None:
        """What was kept of a clip, None if it is not finished; what is damaged is moved aside.

        Args:
            clip: Its name.
            metrics: What it must tell of.
        """
        path = places.record(self.folder, clip)
        found = read_clip(path)
        if found is None:
            return None
        records, pixels = [_record(row) for row in found["records"]], found["pixels"]
        if found["clip"] != clip:
            set_aside(path, f"it is of {found['clip']!r}")
            return None
        if lacking := [name for name in metrics for row in records if name not in row.metrics]:
            set_aside(path, f"it lacks {lacking[0]}")
            return None
        archive = places.archive(self.folder, clip)
        if _moved_aside(archive) or not archive.is_file():
            return None
        if pixels is not None and _moved_aside(places.pixels(self.outputs, pixels)):
            with writing(path):
                path.unlink()  # without pictures, which may have been left out, it would count
            return None
        return records

    def extend(self, clip: str, found: Sequence[Record]) -> list[Record]:
        """Add what was measured of a finished clip, in place of what has the same name.

        Args:
            clip: Its name.
            found: One an area, as when it was explained.

        Raises:
            OutputError: If its record is gone, or has other areas.

        Returns:
            The records as they are now.
        """
        path = places.record(self.folder, clip)
        finished = read_clip(path)
        if finished is None or len(finished["records"]) != len(found):
            raise unreadable(path)
        kept = [
            replace(
                old,
                metrics={**old.metrics, **new.metrics},
                curves={**old.curves, **new.curves},
            )
            for old, new in zip(map(_record, finished["records"]), found, strict=True)
        ]
        write_json(path, {**finished, "records": [asdict(each) for each in kept]})
        return kept

    def shows(self, clips: Clips, index: int) -> bool:
        """Whether a finished clip's pictures were these."""
        known = read_clip(places.record(self.folder, clips.names[index]))
        return known is not None and bool(known["pixels"] == digest(clips, index))


def _moved_aside(archive: Path) -> bool:
    """Whether it was there, and cut off."""
    is_cut = archive.is_file() and not is_whole(archive)
    if is_cut:
        set_aside(archive, "it is cut off")
    return is_cut


def load_attribution(path: str | Path) -> Attribution:
    """The attribution of one clip, as a job wrote it; masks come back with 3 digits.

    Args:
        path: The clip's file in the job's folder ``attributions``.

    Returns:
        On the CPU, of one clip.

    Raises:
        OutputError: If it is not there or damaged.
    """
    arrays = read_arrays(Path(path), REMOVE, needed=_KINDS)
    if not _is_attribution(arrays):
        raise damaged(Path(path), "it holds no attribution of a clip", REMOVE)
    return Attribution(
        values=torch.from_numpy(arrays["values"].astype(np.float32))[:, None],
        target=torch.tensor([int(arrays["target"])]),
        areas=tuple(arrays["areas"].tolist()) or None,
        curves={
            name.removeprefix(_CURVE): torch.from_numpy(curve.astype(np.float32))[:, None]
            for name, curve in _curves(arrays).items()
        },
        signed=bool(arrays["signed"]),
    )


def is_of(attribution: Attribution, areas: Sequence[float | None]) -> bool:
    """Whether an attribution is of these areas, those of its clip's records."""
    own = attribution.areas or (None,)
    return own == tuple(areas[: len(own)])  # a map's cuts follow


def _is_attribution(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether arrays are of the types and lengths that `_arrays` gives them."""
    values, areas, curves = arrays["values"], arrays["areas"], _curves(arrays)
    kinds = {**_KINDS, **dict.fromkeys(curves, _KIND_OF_CURVES)}
    if any((arrays[name].dtype.kind, arrays[name].ndim) != kind for name, kind in kinds.items()):
        return False
    maps = max(1, len(areas))
    return (
        values.size > 0
        and values.shape[1] in _CHANNELS
        and int(arrays["target"]) >= 0
        and all(len(each) == maps for each in (values, *curves.values()))
    )


def _curves(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: curve for name, curve in arrays.items() if name.startswith(_CURVE)}


def _arrays(attribution: Attribution, index: int, label: str | None) -> dict[str, np.ndarray]:
    """Attributes of one clip: masks as float16, all else as float32."""
    is_mask = attribution.areas is not None
    values = attribution.values[:, index].cpu().numpy()
    curves = {
        f"{_CURVE}{name}": curve[:, index].float().cpu().numpy()
        for name, curve in attribution.curves.items()
    }
    return {
        "values": values.astype(np.float16 if is_mask else np.float32),
        "areas": np.array(attribution.areas or (), dtype=np.float64),
        "target": np.array(int(attribution.target[index])),
        "label": np.array(label or ""),
        "signed": np.array(attribution.signed and not is_mask),
        **curves,
    }


def _record(row: dict[str, Any]) -> Record:
    metrics = {name: math.nan if value is None else value for name, value in row["metrics"].items()}
    known = {each.name: row[each.name] for each in fields(Record)}  # a file may say more
    return Record(**{**known, "metrics": metrics})
