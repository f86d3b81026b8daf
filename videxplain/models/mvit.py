"""Where torchvision's MViT has its tokens, and where they come from.

Names and numbers of its weights stay those of the published files.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode
from torchvision.models.video.mvit import MultiscaleBlock, Pool

PatchGrid = tuple[int, int, int]
"""Frames, rows and columns of patches."""


class PatchMap(nn.Module):
    """Patch tokens ``b (t h w) c`` as a map ``b c t h w``.

    Args:
        grid: What the tokens are a list of, the last axis running fastest.
    """

    def __init__(self, grid: PatchGrid) -> None:
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

    def __init__(self, norm: nn.LayerNorm, grid: PatchGrid) -> None:
        super().__init__(norm.normalized_shape, norm.eps)
        self.patches = PatchMap(grid)

    def forward(self, tokens: Tensor) -> Tensor:
        """Normalise ``b 1+(t h w) c``, the class token first."""
        normed = super().forward(tokens)
        patches = rearrange(self.patches(normed[:, 1:]), "b c t h w -> b (t h w) c")
        return torch.cat([normed[:, :1], patches], dim=1)


class TokenBlock(MultiscaleBlock):  # type: ignore[misc]
    """A block that knows where its patches are, and which tokens its output comes from.

    Args:
        input_size: Grid of the patches that come in.
        settings: All else that torchvision's block takes.
    """

    def __init__(self, input_size: Sequence[int], **settings: Any) -> None:  # noqa: ANN401
        super().__init__(input_size=input_size, **settings)
        frames, height, width = input_size
        self.norm1: nn.LayerNorm = TokenNorm(self.norm1, (frames, height, width))

    def trace_back(self, shares: Tensor, tokens: Tensor, grid: PatchGrid) -> Tensor:
        """Hand what the tokens after the block have to those before it, the shortcut's half first.

        See `videxplain.methods.attention_rollout.AttentionRollout` for the formula.

        Args:
            shares: Of the tokens after it, ``b tokens``, adding up to 1.
            tokens: Those before it, ``b 1+(t h w) c``, the class token first.
            grid: Of these.
        """
        with torch.no_grad():
            normed = self.norm1(tokens)
            skipped = self.project(normed) if self.project and self.proj_after_attn else tokens
            attended = self._trace_attention(shares / 2, normed, grid)
        return _trace_max_pool(self.pool_skip, shares / 2, skipped, grid) + attended

    def _trace_attention(self, shares: Tensor, normed: Tensor, grid: PatchGrid) -> Tensor:
        through_query = torch.zeros_like(shares)
        if self.attn.residual_pool:
            through_query = shares / 2
            if not self.attn.residual_with_cls_embed:
                through_query[:, 0] = 0
        with _Softmaxes() as seen:
            self.attn(normed, grid)
        (attention,) = seen.found
        by_value = torch.einsum("bq,bqk->bk", shares - through_query, attention.mean(dim=1))
        return _trace_convolution(self.attn.pool_v, by_value, grid) + _trace_convolution(
            self.attn.pool_q, through_query, grid
        )


class _Softmaxes(TorchFunctionMode):
    """Keeps what softmax gives: torchvision's attention hands its own to nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Call the function, and keep what it gives if it is a softmax."""
        given = func(*args, **(kwargs or {}))
        if func is Tensor.softmax:
            self.found.append(given)
        return given


def _trace_max_pool(pool: Pool | None, shares: Tensor, tokens: Tensor, grid: PatchGrid) -> Tensor:
    """To the tokens that the channels were taken from: the gradient of a max-pool is their mark."""
    if pool is None:
        return shares
    with torch.enable_grad():
        source = tokens.detach().requires_grad_()
        pooled, _ = pool(source, grid)
    slopes = repeat(shares, "b n -> b n c", c=pooled.shape[2])
    (taken,) = torch.autograd.grad(pooled, source, slopes)
    mean: Tensor = taken.mean(dim=2)
    return mean


def _trace_convolution(pool: Pool | None, shares: Tensor, grid: PatchGrid) -> Tensor:
    """To the tokens in each window, by the mean absolute weight; the class token is not pooled."""
    if pool is None:
        return shares
    convolution = pool.pool
    kernel = convolution.weight.detach().abs().mean(dim=0, keepdim=True)
    with torch.enable_grad():
        ones = shares.new_ones(len(shares), 1, *grid).requires_grad_()
        whole = F.conv3d(ones, kernel, None, convolution.stride, convolution.padding)
        # d log(sum_i w_i x_i) / d x_i, where all x are 1, is the share of w_i in the sum
        logarithms = rearrange(whole.log(), "b 1 t h w -> b (t h w)")
    (before,) = torch.autograd.grad(logarithms, ones, shares[:, 1:])
    return torch.cat([shares[:, :1], rearrange(before, "b 1 t h w -> b (t h w)")], dim=1)
