"""Rows of frames as a strip or as an animation."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from einops import rearrange
from jaxtyping import Int, UInt8
from matplotlib.font_manager import findfont, get_font
from PIL import Image, ImageDraw, ImageFont

from videxplain.errors import OutputError

Panels = UInt8[np.ndarray, "t h w c"]

ANIMATED = frozenset({".webp", ".gif"})
STILL = frozenset({".png", ".jpg"})

_QUICK_PALETTE = Image.Quantize.FASTOCTREE  # the default takes ten times as long
_MOST_COLUMNS = 16
_STRIP_TILE, _PANEL = 112, 256
"""Height in pixels that small clips are enlarged to, in strips and animations."""
_MILLISECONDS = 125
FONT = "DejaVu Sans"
"""Comes with matplotlib, and has the letters of most languages in Latin, Greek and Cyrillic."""
_TEXT, _LINE, _GAP = 13, 22, 2
_LETTER = 9
"""Width in pixels of most letters, rounded up."""
_BACKGROUND, _INK = (255, 255, 255), (20, 20, 20)


@dataclass(frozen=True)
class Figure:
    """Rows of frames of one clip, each with its name.

    Attributes:
        rows: Frames of each row.
        titles: Name of each row.
        caption: Line above.
    """

    rows: tuple[Panels, ...]
    titles: tuple[str, ...]
    caption: str

    def save(self, path: str | Path) -> None:
        """Write an animation (``.webp``, ``.gif``) or a strip of frames (``.png``, ``.jpg``).

        Args:
            path: The file; its folder is made.

        Raises:
            OutputError: If the suffix is another one.
            OSError: If the file cannot be written.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in ANIMATED:
            pictures = self.animation()
            if path.suffix.lower() == ".gif":
                pictures = [each.quantize(method=_QUICK_PALETTE) for each in pictures]
            first, *others = pictures
            first.save(path, save_all=True, append_images=others, duration=_MILLISECONDS, loop=0)
        elif path.suffix.lower() in STILL:
            self.strip().save(path)
        else:
            allowed = ", ".join(sorted(ANIMATED | STILL))
            message = f"{path} has no suffix for a picture: use one of {allowed}"
            raise OutputError(message)

    def strip(self) -> Image.Image:
        """Frames from left to right under their numbers, at most 16, one row below the other."""
        shown = spread(self.rows[0].shape[0], _MOST_COLUMNS)
        rows = [_enlarged(row[shown], _STRIP_TILE) for row in self.rows]
        lines = [rearrange(_spaced(row), "t h w c -> h (t w) c") for row in rows]
        height, width = lines[0].shape[:2]
        titles = [drawable(title) for title in self.titles]
        margin = max(map(_text_width, titles)) + _TEXT
        canvas, pen = _canvas(margin + width, 2 * _LINE + len(lines) * (height + _GAP))
        pen.text((_GAP, _GAP), drawable(self.caption), fill=_INK, font=_font())
        for column, frame in enumerate(shown):
            place = (margin + column * width // len(shown), _LINE)
            pen.text(place, f"{frame + 1}", fill=_INK, font=_font())
        for index, (title, line) in enumerate(zip(titles, lines, strict=True)):
            top = 2 * _LINE + index * (height + _GAP)
            pen.text((_GAP, top + (height - _TEXT) // 2), title, fill=_INK, font=_font())
            canvas.paste(Image.fromarray(line), (margin, top))
        return canvas

    def animation(self) -> list[Image.Image]:
        """The rows side by side, one picture a frame; titles take the lines that they need."""
        panels = [_spaced(_enlarged(row, _PANEL)) for row in self.rows]
        width = panels[0].shape[2]
        titles = [_wrapped(title, width) for title in self.titles]
        caption = _wrapped(self.caption, width * len(panels))
        first = _LINE * len(caption)
        top = first + _LINE * max(map(len, titles))
        pictures = []
        for frame in zip(*panels, strict=True):
            canvas, pen = _canvas(width * len(panels), top + frame[0].shape[0])
            _write(pen, (_GAP, _GAP), caption)
            for index, (lines, panel) in enumerate(zip(titles, frame, strict=True)):
                _write(pen, (index * width + _GAP, first), lines)
                canvas.paste(Image.fromarray(panel), (index * width, top))
            pictures.append(canvas)
        return pictures


def spread(length: int, most: int) -> Int[np.ndarray, "n"]:
    """Indices of frames spread evenly from the first to the last, all where they are few.

    Args:
        length: Frames of the clip.
        most: How many to choose.
    """
    return np.linspace(0, length - 1, min(length, most)).round().astype(int)


def _enlarged(row: Panels, height: int) -> UInt8[np.ndarray, "t more_h more_w c"]:
    factor = max(1, round(height / row.shape[1]))
    return row.repeat(factor, axis=1).repeat(factor, axis=2)


def _spaced(row: Panels) -> UInt8[np.ndarray, "t h more_w c"]:
    return np.pad(row, ((0, 0), (0, 0), (0, _GAP), (0, 0)), constant_values=255)


def _canvas(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    canvas = Image.new("RGB", (width, height), _BACKGROUND)
    return canvas, ImageDraw.Draw(canvas)


@cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(findfont(FONT), _TEXT)


def drawable(text: str) -> str:
    """A line of text; what the font lacks, or would break the line, stands as its escape."""
    font = get_font(findfont(FONT))
    return "".join(
        each
        if each.isprintable() and font.get_char_index(ord(each))
        else each.encode("unicode_escape").decode()
        for each in text
    )


def _text_width(text: str) -> int:
    return int(_font().getlength(text)) + 2 * _GAP


def _write(pen: ImageDraw.ImageDraw, place: tuple[int, int], lines: Sequence[str]) -> None:
    for number, line in enumerate(lines):
        pen.text((place[0], place[1] + number * _LINE), line, fill=_INK, font=_font())


def _wrapped(text: str, width: int) -> list[str]:
    """Its lines, broken where they are wider than a panel."""
    letters = max(1, width // _LETTER)
    lines = map(drawable, text.split("\n"))
    return [part for line in lines for part in textwrap.wrap(line, letters) or [""]]
