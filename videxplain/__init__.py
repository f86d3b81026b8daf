"""Explain video networks: which part of a video, in space and time, made the network say so?

``import videxplain as vx`` is quick: each public name is imported when it is first used (PEP 562).
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from videxplain.api import explain, load_method, load_model
    from videxplain.data.files import read_video
    from videxplain.data.shapes import shapes
    from videxplain.errors import VidexplainError
    from videxplain.figures import overlay
    from videxplain.models.classifier import VideoClassifier
    from videxplain.sinks.disk import load_attribution
    from videxplain.types import Attribution, Clips, Record, Video

__version__ = "0.1.0"

# Messages of FFmpeg and OpenCV would repeat what our errors say; cv2 reads these on its import.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")

_HOMES = {
    "Attribution": "types",
    "Clips": "types",
    "Record": "types",
    "Video": "types",
    "VideoClassifier": "models.classifier",
    "VidexplainError": "errors",
    "explain": "api",
    "load_attribution": "sinks.disk",
    "load_method": "api",
    "load_model": "api",
    "overlay": "figures",
    "read_video": "data.files",
    "shapes": "data.shapes",
}

__all__ = [
    "Attribution",
    "Clips",
    "Record",
    "Video",
    "VideoClassifier",
    "VidexplainError",
    "__version__",
    "explain",
    "load_attribution",
    "load_method",
    "load_model",
    "overlay",
    "read_video",
    "shapes",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
