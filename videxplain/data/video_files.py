"""Videos in files; only the frames asked for are converted."""

from functools import partial
from pathlib import Path

from videxplain.data import decoder_process
from videxplain.types import Video

SUFFIXES = frozenset({".mp4", ".avi", ".mkv", ".mov", ".webm", ".gif", ".m4v", ".mpg", ".mpeg"})


def open_video(path: Path, name: str, label: str | None = None) -> Video:
    """Look at a file without decoding it.

    Args:
        path: The file.
        name: What messages and results call it.
        label: Its class, where known.

    Raises:
        DataError: If it cannot be opened, is empty, cut off, or of an impossible size, or hangs or
            crashes the decoder.
    """
    length, may_seek = decoder_process.look(path)
    read = partial(decoder_process.read, path, may_seek=may_seek)
    return Video(name, length, read, label)
