"""Pictures of an attribution; here alone values are scaled, clamped and coloured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from videxplain.errors import OutputError
from videxplain.filters import blur_pyramid, largest, perturb
from videxplain.types import Attribution, Clips, Polarity, Record

Panels = UInt8[np.ndarray, "t h w c"]
Heat = Float[np.ndarray, "t h w"]
"""In [0, 1]."""

ANIMATED = frozenset({".webp", ".gif"})
STILL = frozenset({".png", ".jpg"})

_SHOWN_SHARE = 0.1
"""Share of the voxels shown as kept by a method that makes no masks."""
_HALF = 0.5
_QUICK_PALETTE = Image.Quantize.FASTOCTREE  # the default takes ten times as long
_PERCENTILE = 0.99
"""Saliency above it is drawn as 1, so that one voxel does not darken the rest."""
_OPACITY = 0.55
_MOST_COLUMNS = 16
_STRIP_TILE, _PANEL = 112, 256
"""Height in pixels that small clips are enlarged to, in strips and animations."""
_MILLISECONDS = 125
_TEXT, _LINE, _GAP = 14, 22, 2
_BACKGROUND, _INK = (255, 255, 255), (20, 20, 20)
_GREY = 127.5


@dataclass(frozen=True)
class Figure:
    """One clip, its heat map, and what is kept of it.

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

        Raises:
            OutputError: If the suffix is another one.
        """
        path = Path(path)
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
        length = self.rows[0].shape[0]
        shown = np.linspace(0, length - 1, min(length, _MOST_COLUMNS)).round().astype(int)
        rows = [_enlarged(row[shown], _STRIP_TILE) for row in self.rows]
        lines = [rearrange(_spaced(row), "t h w c -> h (t w) c") for row in rows]
        height, width = lines[0].shape[:2]
        margin = max(_text_width(title) for title in self.titles) + _TEXT
        canvas, pen = _canvas(margin + width, 2 * _LINE + len(lines) * (height + _GAP))
        pen.text((_GAP, _GAP), self.caption, fill=_INK, font=_font())
        for column, frame in enumerate(shown):
            place = (margin + column * width // len(shown), _LINE)
            pen.text(place, f"{frame + 1}", fill=_INK, font=_font())
        for index, (title, line) in enumerate(zip(self.titles, lines, strict=True)):
            top = 2 * _LINE + index * (height + _GAP)
            pen.text((_GAP, top + (height - _TEXT) // 2), title, fill=_INK, font=_font())
            canvas.paste(Image.fromarray(line), (margin, top))
        return canvas

    def animation(self) -> list[Image.Image]:
        """The rows side by side, one picture a frame."""
        panels = [_spaced(_enlarged(row, _PANEL)) for row in self.rows]
        width = panels[0].shape[2]
        pictures = []
        for frame in zip(*panels, strict=True):
            canvas, pen = _canvas(width * len(panels), 2 * _LINE + frame[0].shape[0])
            pen.text((_GAP, _GAP), self.caption, fill=_INK, font=_font())
            for index, (title, panel) in enumerate(zip(self.titles, frame, strict=True)):
                pen.text((index * width + _GAP, _LINE), title, fill=_INK, font=_font())
                canvas.paste(Image.fromarray(panel), (index * width, 2 * _LINE))
            pictures.append(canvas)
        return pictures


def overlay(  # noqa: PLR0913
    clips: Clips,
    attribution: Attribution,
    *,
    clip: int = 0,
    area: int = 0,
    polarity: Polarity = "positive",
    caption: str = "",
) -> Figure:
    """Draw one clip with its heat map and with what is kept of it.

    Masks are drawn from 0 to 1. Other saliency is divided by its 99th percentile, and its highest
    tenth counts as kept; the titles say so.

    Args:
        clips: What was explained.
        attribution: The explanation.
        clip: Which clip of the batch.
        area: Which area of the attribution.
        polarity: How signed values become saliency.
        caption: Line above the picture.
    """
    frames = pictures(clips, clip)
    values, scale = heat(attribution, clip, area, polarity)
    mask, kept = values, "kept"
    if attribution.areas is None:
        saliency = attribution.saliency(polarity)[area, clip].float().cpu()
        mask, kept = _top(saliency).numpy(), f"top {_SHOWN_SHARE:.0%}"
    rows = (frames, _heat_map(frames, values), seen_through(frames, mask))
    return Figure(rows, ("clip", scale, kept), caption)


def heat(attribution: Attribution, clip: int, area: int, polarity: Polarity) -> tuple[Heat, str]:
    """Saliency on a scale to be drawn, and what the scale is.

    Args:
        attribution: The explanation.
        clip: Which clip of the batch.
        area: Which area of the attribution.
        polarity: How signed values become saliency.

    Returns:
        Values in [0, 1]: a mask as it is, other saliency in shares of its 99th percentile.
    """
    saliency = attribution.saliency(polarity)[area, clip].float().cpu()
    if attribution.areas is not None:
        return saliency.clamp(0, 1).numpy(), "mask, 0 to 1"
    return _scaled(saliency).numpy(), f"{polarity}, to 99 %"


def kept_part(
    attribution: Attribution, clip: int, area: int, polarity: Polarity
) -> Bool[np.ndarray, "t h w"]:
    """Where a mask keeps more than half; of other saliency, the highest tenth.

    Args:
        attribution: The explanation.
        clip: Which clip of the batch.
        area: Which area of the attribution.
        polarity: How signed values become saliency.
    """
    saliency = attribution.saliency(polarity)[area, clip].float().cpu()
    mask = saliency if attribution.areas is not None else _top(saliency)
    kept: Bool[np.ndarray, "t h w"] = mask.numpy() > _HALF
    return kept


def draw(
    clips: Clips,
    attribution: Attribution,
    index: int,
    records: Sequence[Record],
    polarity: Polarity,
) -> list[tuple[str, Callable[[Path], None]]]:
    """Suffixes and writers of the files that show one clip, a strip and an animation an area."""
    files: list[tuple[str, Callable[[Path], None]]] = []
    for area, record in enumerate(records):
        figure = overlay(
            clips, attribution, clip=index, area=area, polarity=polarity, caption=_caption(record)
        )
        tag = "" if len(records) == 1 else f"-area{record.area}"
        files += [(f"{tag}{suffix}", figure.save) for suffix in (".png", ".webp")]
    return files


def _caption(record: Record) -> str:
    parts = [record.clip, f"p({record.target}) = {record.probability:.2f}"]
    if record.area is not None:
        parts.append(f"area {record.area:g}")
        kept = record.metrics.get("probability_kept")
        parts += [f"through its mask {kept:.2f}"] if kept is not None else []
        parts += ["CLASS NOT PRESERVED"] if record.metrics.get("preserved") == 0 else []
    return "   ".join(parts)


def pictures(clips: Clips, index: int) -> Panels:
    """The clip's own pictures; for tensors without any, its values from lowest to highest."""
    if clips.pixels is not None:
        pixels: Panels = clips.pixels[index]
        return pixels
    frames = clips.frames[index].float().cpu()
    low, high = frames.min(), frames.max()
    scaled = (frames - low) / (high - low).clamp_min(torch.finfo().tiny) * 255
    return rearrange(scaled.round().byte(), "c t h w -> t h w c").numpy()


def _scaled(saliency: Float[Tensor, "t h w"]) -> Float[Tensor, "t h w"]:
    flat = np.quantile(saliency.numpy(), _PERCENTILE)
    top = float(flat) or float(saliency.max()) or 1.0
    return (saliency / top).clamp(0, 1)


def _top(saliency: Float[Tensor, "t h w"]) -> Float[Tensor, "t h w"]:
    flat = saliency.flatten()
    return largest(flat, max(1, round(_SHOWN_SHARE * len(flat)))).reshape_as(saliency)


def _heat_map(pictures: Panels, heat: Heat) -> Panels:
    """Viridis over grey pictures: even to the eye, and safe for the colour-blind."""
    tiles = []
    for picture, values in zip(pictures, heat, strict=True):
        levels = (values * 255).round().astype(np.uint8)
        coloured = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
        grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        tiles.append(cv2.addWeighted(coloured, _OPACITY, grey, 1 - _OPACITY, 0))
    return np.stack(tiles)


def seen_through(pictures: Panels, mask: Heat) -> Panels:
    """A clip seen through a mask, blurred elsewhere as the network sees it.

    Args:
        pictures: Its frames.
        mask: 1 where they stay.
    """
    frames = rearrange(torch.from_numpy(pictures).float() - _GREY, "t h w c -> 1 c t h w")
    seen = perturb(blur_pyramid(frames), torch.from_numpy(mask)[None, None])[0] + _GREY
    return rearrange(seen.round().clamp(0, 255).byte(), "c t h w -> t h w c").numpy()


def _enlarged(row: Panels, height: int) -> UInt8[np.ndarray, "t more_h more_w c"]:
    factor = max(1, round(height / row.shape[1]))
    return row.repeat(factor, axis=1).repeat(factor, axis=2)


def _spaced(row: Panels) -> UInt8[np.ndarray, "t h more_w c"]:
    return np.pad(row, ((0, 0), (0, 0), (0, _GAP), (0, 0)), constant_values=255)


def _canvas(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    canvas = Image.new("RGB", (width, height), _BACKGROUND)
    return canvas, ImageDraw.Draw(canvas)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_TEXT)


def _text_width(text: str) -> int:
    return int(_font().getlength(text)) + 2 * _GAP
