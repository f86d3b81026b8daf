"""Tokens of torchvision's MViT as maps of the clip, under the names of its published weights."""

from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torchvision.models.video.mvit import MultiscaleBlock

Grid = tuple[int, int, int]
"""Frames, rows and columns of patches."""


class PatchMap(nn.Module):
    """Patch tokens ``b (t h w) c`` as a map ``b c t h w``.

    Args:
        grid: What the tokens are a list of, the last axis running fastest.
    """

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, patches: Tensor) -> Tensor:
        """Give the list its axes."""
        frames, height, width = self.grid
        return rearrange(patches, "b (t h w) c -> b c t h w", t=frames, h=height, w=width)


class TokenNorm(nn.LayerNorm):
    """The layer norm of a class token and patches, the patches seen as a map on their way.

    ``patches`` has no parameters, so that names and numbers of the weights stay what they are; what
    it gives is what goes on, so that a hook there sees the map and its gradient.

    Args:
        norm: The layer norm to stand in for, as it is before training.
        grid: Of the patches.
    """

    def __init__(self, norm: nn.LayerNorm, grid: Grid) -> None:
        super().__init__(norm.normalized_shape, norm.eps)
        self.patches = PatchMap(grid)

    def forward(self, tokens: Tensor) -> Tensor:
        """Normalise ``b 1+(t h w) c``, the class token first."""
        normed = super().forward(tokens)
        patches = rearrange(self.patches(normed[:, 1:]), "b c t h w -> b (t h w) c")
        return torch.cat([normed[:, :1], patches], dim=1)


class TokenBlock(MultiscaleBlock):  # type: ignore[misc]
    """A block whose first norm knows where its patches are; torchvision's arguments.

    Args:
        input_size: Grid of the patches that come in.
        settings: All else that torchvision's block takes.
    """

    def __init__(self, input_size: Sequence[int], **settings: Any) -> None:  # noqa: ANN401
        super().__init__(input_size=input_size, **settings)
        frames, height, width = input_size
        self.norm1: nn.LayerNorm = TokenNorm(self.norm1, (frames, height, width))
