"""Pictures of an attribution; here alone values are scaled, clamped and coloured."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from videxplain.errors import ConfigError
from videxplain.filters import PYRAMIDS, perturb, top_share
from videxplain.panels import Figure, Panels
from videxplain.types import Attribution, Clips, Record
from videxplain.words import Polarity, counted

Heat = Float[np.ndarray, "t h w"]
"""In [0, 1]."""

COLOURS: Mapping[str, int] = {
    "viridis": cv2.COLORMAP_VIRIDIS,
    "cividis": cv2.COLORMAP_CIVIDIS,
    "jet": cv2.COLORMAP_JET,
}
"""The first two are even to the eye, and safe for the colour-blind; jet is the published one."""

_LEVELS = 256
_SHOWN_SHARE = 0.1
"""Share of the voxels shown as kept by a method that makes no masks."""
_HALF = 0.5
_PERCENTILE = 0.99
"""Saliency above it is drawn as 1, so that one voxel does not darken the rest."""
_OPACITY = 0.55
GREY = 127.5
"""About the level of the mean colour, which faded pixels turn into."""


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

    Returns:
        What can be saved as an animation or as a strip of frames.

    Raises:
        ConfigError: If there is no such clip, area or polarity, or the attribution is one of other
            clips.
    """
    _check_place(clips, attribution, clip, area)
    frames = pictures(clips, clip)
    values, scale = heat(attribution, clip, area, polarity)
    mask = window(attribution, clip, area, polarity)
    kept = "kept" if attribution.areas is not None else f"top {_SHOWN_SHARE:.0%}"
    rows = (frames, heat_map(frames, values), seen_through(frames, mask))
    return Figure(rows, ("clip", scale, kept), caption)


def _check_place(clips: Clips, attribution: Attribution, clip: int, area: int) -> None:
    areas, count = attribution.values.shape[:2]
    if count != len(clips):
        message = (
            f"an attribution of {counted(count, 'clip')} for {counted(len(clips), 'clip')}: "
            "give the clips that were explained"
        )
        raise ConfigError(message)
    for name, given, number in (("clip", clip, count), ("area", area, areas)):
        if not -number <= given < number:
            message = (
                f"{name}={given}: the attribution has {counted(number, name)}, "
                f"give one from 0 to {number - 1}"
            )
            raise ConfigError(message)


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


def window(
    attribution: Attribution, clip: int, area: int, polarity: Polarity, share: float = _SHOWN_SHARE
) -> Heat:
    """What a clip is seen through: a mask as it is; of other saliency, where it is highest.

    Args:
        attribution: The explanation.
        clip: Which clip of the batch.
        area: Which area of the attribution.
        polarity: How signed values become saliency.
        share: Of the clip, that other saliency keeps.
    """
    saliency = attribution.saliency(polarity)[area, clip].float().cpu()
    if attribution.areas is not None:
        return saliency.clamp(0, 1).numpy()
    return top_share(saliency.flatten(), share).reshape_as(saliency).numpy()


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
    kept: Bool[np.ndarray, "t h w"] = window(attribution, clip, area, polarity) > _HALF
    return kept


def draw(  # noqa: PLR0913
    clips: Clips,
    attribution: Attribution,
    index: int,
    records: Sequence[Record],
    polarity: Polarity,
    explained_by: str,
) -> list[tuple[str, Callable[[Path], None]]]:
    """What shows one clip: a strip and an animation an area.

    Args:
        clips: The batch.
        attribution: Of the batch.
        index: Which clip.
        records: Its own, one an area.
        polarity: How signed values become saliency.
        explained_by: Method and network, as the caption names them.

    Returns:
        Of each file its suffix, and what writes it to a path.
    """
    files: list[tuple[str, Callable[[Path], None]]] = []
    for area, record in enumerate(records):
        caption = _caption(record, explained_by)
        figure = overlay(
            clips, attribution, clip=index, area=area, polarity=polarity, caption=caption
        )
        tag = "" if len(records) == 1 else f"-area{record.area}"
        files += [(f"{tag}{suffix}", figure.save) for suffix in (".png", ".webp")]
    return files


def _caption(record: Record, explained_by: str) -> str:
    lost = ["CLASS NOT PRESERVED"] if record.metrics.get("preserved") == 0 else []
    parts = [*lost, record.clip, explained_by, f"p({record.target}) = {record.probability:.2f}"]
    if record.area is not None:
        parts.append(f"area {record.area:g}")
        kept = record.metrics.get("probability_kept")
        parts += [f"through its mask {kept:.2f}"] if kept is not None else []
    return "   ".join(part for part in parts if part)


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


def colour_table(colours: str) -> UInt8[np.ndarray, "256 3"]:
    """Colours from 0 to 1.

    Args:
        colours: One of `COLOURS`.
    """
    levels = np.arange(_LEVELS, dtype=np.uint8)[:, None]
    table = cv2.cvtColor(cv2.applyColorMap(levels, COLOURS[colours]), cv2.COLOR_BGR2RGB)
    return table.reshape(_LEVELS, 3).astype(np.uint8)


def heat_map(pictures: Panels, heat: Heat, colours: str = "viridis") -> Panels:
    """Colours over grey pictures.

    Args:
        pictures: Frames of a clip.
        heat: What is drawn over them.
        colours: One of `COLOURS`.
    """
    table, tiles = colour_table(colours), []
    for picture, values in zip(pictures, heat, strict=True):
        coloured = table[(values * 255).round().astype(np.uint8)]
        grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        tiles.append(cv2.addWeighted(coloured, _OPACITY, grey, 1 - _OPACITY, 0))
    return np.stack(tiles)


def seen_through(pictures: Panels, mask: Heat, perturbation: str = "blur") -> Panels:
    """A clip seen through a mask, perturbed elsewhere as the network sees it.

    Args:
        pictures: Its frames.
        mask: 1 where they stay.
        perturbation: ``blur`` or ``fade``.
    """
    frames = rearrange(torch.from_numpy(pictures).float() - GREY, "t h w c -> 1 c t h w")
    seen = perturb(PYRAMIDS[perturbation](frames), torch.from_numpy(mask)[None, None])[0] + GREY
    return rearrange(seen.round().clamp(0, 255).byte(), "c t h w -> t h w c").numpy()
