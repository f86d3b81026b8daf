"""Real video files for the tests: frame ``i`` is of an even grey that tells ``i``."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

CODECS = {
    ".mp4": ("libx264", "yuv420p"),
    ".avi": ("mpeg4", "yuv420p"),
    ".mkv": ("libx264", "yuv420p"),
    ".mov": ("libx264", "yuv420p"),
    ".webm": ("libvpx-vp9", "yuv420p"),
    ".gif": ("gif", "rgb8"),
}
STEP = 4


def grey(index: int) -> int:
    return 20 + STEP * (index % 50)


def write_video(
    path: Path,
    frames: int,
    size: tuple[int, int] = (48, 64),
    times: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Encode ``frames`` pictures of ``size`` (height, width) at 25 a second, or at ``times``."""
    codec, pixel_format = CODECS[path.suffix]
    height, width = size
    if height % 2 or width % 2:
        pixel_format = "yuv444p"
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.gop_size = 12
        stream.bit_rate = 4_000_000
        stream.codec_context.time_base = Fraction(1, 25)
        for index in range(frames):
            picture = np.full((height, width, 3), grey(index), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = index if times is None else times[index]
            frame.time_base = Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def indices_seen(frames: np.ndarray) -> list[int]:
    """Which frames these are, below 50."""
    levels = frames.astype(float).mean(axis=(1, 2, 3))
    return [round((level - 20) / STEP) for level in levels]
