"""From decoded frames to what a network sees: resize, centre crop, normalise.

The resizing is torchvision's for video (bilinear, no antialiasing), so that published weights see
the pictures they were trained on.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from videxplain.errors import ConfigError
from videxplain.types import Video, VideoFrames

Size = tuple[int, int]
"""Height and width in pixels."""


def resized_size(given: Size, resize: int | Size | None, crop: Size) -> Size:
    """Size before the crop.

    Args:
        given: Size of the decoded frames.
        resize: The shorter side, (height, width), or None for the smallest size that covers
            ``crop`` and keeps the proportions.
        crop: Size of the crop.
    """
    height, width = given
    if isinstance(resize, tuple):
        return resize
    if resize is None:
        scale = max(crop[0] / height, crop[1] / width)
        return max(round(height * scale), crop[0]), max(round(width * scale), crop[1])
    if height <= width:
        return resize, int(resize * width / height)
    return int(resize * height / width), resize


def fit_pixels(
    frames: VideoFrames, resize: int | Size | None, crop: Size
) -> UInt8[np.ndarray, "t crop_h crop_w c"]:
    """Resize and centre-crop pictures."""
    size = resized_size(frames.shape[1:3], resize, crop)
    pictures = rearrange(torch.from_numpy(frames), "t h w c -> t c h w").float()
    if size != frames.shape[1:3]:
        pictures = F.interpolate(pictures, size, mode="bilinear", align_corners=False)
    cropped = _centre_crop(pictures.round().clamp(0, 255).byte(), crop)
    return rearrange(cropped, "t c h w -> t h w c").contiguous().numpy()


def fit_truth(
    truth: Bool[np.ndarray, "t h w"], resize: int | Size | None, crop: Size
) -> Bool[Tensor, "t crop_h crop_w"]:
    """Resize and crop a mask as its pictures are, by nearest pixel."""
    size = resized_size(truth.shape[1:], resize, crop)
    mask = F.interpolate(torch.from_numpy(truth)[:, None].float(), size, mode="nearest-exact")
    return _centre_crop(mask, crop)[:, 0].bool()


def normalise(
    pixels: Float[Tensor, "b t h w c"], mean: Float[Tensor, "c"], std: Float[Tensor, "c"]
) -> Float[Tensor, "b c t h w"]:
    """Colours from 0 to 255 to those of the network's training."""
    return rearrange((pixels / 255 - mean) / std, "b t h w c -> b c t h w").contiguous()


def _centre_crop(pictures: Tensor, crop: Size) -> Tensor:
    """Cut the middle of ``t c h w``."""
    height, width = crop
    top = round((pictures.shape[-2] - height) / 2)
    left = round((pictures.shape[-1] - width) / 2)
    return pictures[..., top : top + height, left : left + width]


def as_batch(videos: Video | Sequence[Video]) -> list[Video]:
    """One or several videos as a list.

    Raises:
        ConfigError: If there is none, or something that is no video.
    """
    batch = [videos] if isinstance(videos, Video | str | Path) else list(videos)
    others = [type(each).__name__ for each in batch if not isinstance(each, Video)]
    if others or not batch:
        given = others[0] if others else "nothing"
        message = f"videos: {given} given: give a Video, as read_video makes of a file, or several"
        raise ConfigError(message)
    return batch
