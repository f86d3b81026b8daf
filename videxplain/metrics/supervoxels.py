"""Pieces of a clip that are of one colour, in space and time."""

import numpy as np
import torch
from einops import rearrange
from skimage import segmentation

from videxplain.metrics.filling import Segments
from videxplain.types import Clips


def supervoxels(
    clips: Clips, index: int, num_segments: int, compactness: float, spacing: float
) -> Segments:
    """Divide a clip by SLIC over columns, rows and frames.

    Achanta et al., "SLIC superpixels compared to state-of-the-art superpixel methods", TPAMI 2012;
    scikit-image's, in Lab colours. Its pictures are divided, or the network's colours where a clip
    was made from tensors.

    Args:
        clips: The batch.
        index: Which clip of it.
        num_segments: About how many; noise gives fewer, down to 1, a short clip may give more.
        compactness: Weight of nearness against likeness of colour, above 0.
        spacing: Distance of neighbouring frames in pixels, above 0.
    """
    if clips.pixels is None:
        picture = rearrange(clips.frames[index], "c t h w -> t h w c").float().cpu().numpy()
    else:
        picture = clips.pixels[index]
    found = segmentation.slic(
        np.nan_to_num(picture, posinf=0, neginf=0),  # the network's answer will be no number anyway
        n_segments=num_segments,
        compactness=compactness,
        spacing=(spacing, 1.0, 1.0),
        start_label=0,
        channel_axis=-1,
    )
    return torch.from_numpy(found)
