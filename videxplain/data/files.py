"""The user's own videos: a folder of frame folders, a folder of video files, or one of either."""

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from pydantic import validate_call

from videxplain.data import frame_folders, video_files
from videxplain.data.boxes import with_boxes
from videxplain.data.shards import share
from videxplain.errors import DataError
from videxplain.paths import given_path
from videxplain.types import Video, VideoFrames

_NAMED = 5
"""Broken files that one message names."""


@validate_call
def find_videos(videos_dir: str, shard: str | None = None, boxes: str | None = None) -> list[Video]:
    """List the videos under a path, in the order of their names.

    A clip is a folder of pictures, or a video file. Its label is the text before the first ``-``
    of its name; a video without one takes the name of the folder it lies in, below ``videos_dir``.

    Args:
        videos_dir: A folder, or one video.
        shard: ``i/n``, every n-th video from the i-th on; None for all.
        boxes: A CSV file that says where the evidence is; see `videxplain.data.boxes.with_boxes`.

    Raises:
        ConfigError: If nothing can be there, as where a name is too long.
        DataError: If nothing is there, or some of it cannot be used; nothing is decoded yet.
    """
    root = given_path(videos_dir)
    clips = _clips(root)
    videos = _open_all(root, share(clips, shard))
    return (
        videos
        if boxes is None
        else with_boxes(videos, boxes, [_name(root, each) for each in clips])
    )


def _clips(root: Path) -> list[Path]:
    """All of them, in the order of their names."""
    try:
        there = root.exists()
        is_clip = there and (root.is_file() or _is_clip(root))
        clips = [root] if is_clip else sorted(_clips_below(root)) if there else []
    except OSError as error:
        message = f"{error.filename} cannot be read ({error.strerror}): let this user read it"
        raise DataError(message) from error
    if not there:
        message = f"videos_dir={root} does not exist: give a folder of videos, or a video"
        raise DataError(message)
    if not clips:
        message = (
            f"videos_dir={root} holds no video: give a folder of frame folders "
            f"(jpg, png) or of video files ({', '.join(sorted(video_files.SUFFIXES))})"
        )
        raise DataError(message)
    return clips


def _name(root: Path, clip: Path) -> str:
    return _own_name(clip) if clip == root else clip.relative_to(root).as_posix()


def _own_name(path: Path) -> str:
    """Of the folder that ``.`` or ``..`` is, too."""
    return Path(os.path.abspath(path)).name  # noqa: PTH100  # resolve() would name what a link is of


def _own_label(path: Path) -> str | None:
    return _label(_own_name(path) if path.is_dir() else path.stem)


def read_video(path: str | os.PathLike[str]) -> Video:
    """Open one video: a file, or a folder with one picture a frame.

    Args:
        path: Where it is.

    Returns:
        A video whose label is the text before the first ``-`` of its name.

    Raises:
        ConfigError: If nothing can be there, as where a name is too long.
        DataError: If it cannot be used; nothing is decoded yet.
    """
    path = given_path(path)
    if not path.exists():
        message = f"{path} does not exist: give a video file or a folder of pictures"
        raise DataError(message)
    return _open(path, _own_name(path), _own_label(path))


def _open_all(root: Path, clips: list[Path]) -> list[Video]:
    videos, mistakes = [], []
    for path in clips:
        folder = path.parent.name if root not in (path, path.parent) else None
        label = _own_label(path) or folder
        try:
            videos.append(_open(path, _name(root, path), label))
        except DataError as error:
            mistakes.append(str(error))
    if mistakes:
        more = f"\nand {len(mistakes) - _NAMED} more" if len(mistakes) > _NAMED else ""
        rest = "\nnothing is explained yet: take these away, or mend them" if videos else ""
        raise DataError("\n".join(mistakes[:_NAMED]) + more + rest)
    return videos


def _open(path: Path, name: str, label: str | None) -> Video:
    """A video that refuses to be read once its files are others than those that were looked at."""
    _check_name(path)
    opener = frame_folders.open_frames if path.is_dir() else video_files.open_video
    state = _state(path)
    video = opener(path, name, label)

    def read(indices: Sequence[int]) -> VideoFrames:
        ascend = all(one < other for one, other in pairwise([-1, *indices, video.length]))
        if not len(indices) or not ascend:
            last = video.length - 1
            message = f"frames {list(indices)} of {path}: give some from 0 to {last}, ascending"
            raise DataError(message)
        try:
            return video.read(indices)
        finally:  # a change explains whatever else went wrong
            if _state(path) != state:
                message = f"{path} was changed or removed since it was listed: start again"
                raise DataError(message)

    return replace(video, read=read)


def _state(path: Path) -> list[tuple[int, int]] | None:
    """Size and time of each file of a video; None where one is gone."""
    try:
        files = frame_folders.frame_files(path) if path.is_dir() else [path]
        return [(told.st_size, told.st_mtime_ns) for told in (each.stat() for each in files)]
    except OSError:
        return None


def _check_name(path: Path) -> None:
    """Results are kept under names that are text."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        message = (
            f"the name {str(path)!r} is no text in this locale: rename it, or set PYTHONUTF8=1 if "
            "it is UTF-8"
        )
        raise DataError(message) from error


def _clips_below(root: Path) -> list[Path]:
    """Clips in a folder and in its sub-folders, which are classes or frame folders."""
    children = [path for path in root.iterdir() if not path.name.startswith(".")]
    clips = [path for path in children if _is_clip(path)]
    for folder in set(children) - set(clips):
        if folder.is_dir():
            clips += [path for path in folder.iterdir() if _is_clip(path)]
    return clips


def _is_clip(path: Path) -> bool:
    """A video file, or a folder of pictures; not a folder of videos with a picture beside them."""
    if path.is_dir():
        inside = [child for child in path.iterdir() if not child.name.startswith(".")]
        holds_more = any(child.is_dir() or _is_video(child) for child in inside)
        return bool(frame_folders.frame_files(path)) and not holds_more
    return _is_video(path)


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in video_files.SUFFIXES and not path.name.startswith(".")


def _label(name: str) -> str | None:
    label, dash, _ = name.partition("-")
    return label if dash else None
