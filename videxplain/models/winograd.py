r"""Convolutions of 3 x 3 pixels with a quarter of the multiplications.

Winograd's minimal filtering; Lavin and Gray, "Fast algorithms for convolutional neural networks",
CVPR 2016, https://arxiv.org/abs/1509.09308: with fixed matrices :math:`A, B, G`, a tile :math:`d`
of 6 x 6 pixels and a kernel :math:`g` make the 4 x 4 outputs
:math:`A^T [(G g G^T) \odot (B^T d B)] A`. With channels, the product in the middle is a matrix
product at each of the 36 points; a kernel that reaches over frames adds up its frames there.
"""

import math
import threading
from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from videxplain.models.kernels import LAYOUTS, Geometry

Clip = Float[Tensor, "t h w c"]

_IMAGE_AXES = 2
_OUT = 4
_TAPS = 3
_TILE = _OUT + _TAPS - 1
_POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)
"""Where polynomials are evaluated, beside infinity; these keep rounding errors small."""
_ONE = _POINTS.index(1.0) * (_TILE + 1)
"""The point (1, 1): what is added there is added to every output."""
_BLOCK = 1 << 20
"""Numbers of the tiles worked on at once: few enough for a processor's cache."""


_ROWS = 128
"""Least number of tiles: with fewer, reading the kernels takes longer than multiplying."""
_WORTH = 64
"""Least ``taps c o / (c + o)``: multiplications saved for each number transformed."""


def pays(weight: Tensor, geometry: Geometry, size: torch.Size) -> bool:
    """Whether a convolution of features of this size is quicker this way, if possible at all.

    Args:
        weight: Its kernel, ``o c ...``.
        geometry: How it moves.
        size: ``b c ...`` of what it is applied to.
    """
    made, given, *kernel = weight.shape
    plain = geometry.groups == 1 and set(geometry.stride) == set(geometry.dilation) == {1}
    fits = kernel[-2:] == [_TAPS, _TAPS] and all(
        p < k for k, p in zip(kernel, geometry.padding, strict=True)
    )
    taps = math.prod(kernel[:-2])
    frames = size[0] if len(kernel) == _IMAGE_AXES else size[2]
    tiles = frames * math.ceil(size[-2] / _OUT) * math.ceil(size[-1] / _OUT)
    return plain and fits and tiles >= _ROWS and taps * made * given >= _WORTH * (made + given)


class Workspace(threading.local):
    """Memory that convolutions use one after the other: fresh memory is slow to come by.

    Each thread has its own, so that one network may be asked by several.
    """

    def __init__(self) -> None:
        self._memory = torch.empty(0)

    def take(self, *shapes: tuple[int, ...], like: Tensor) -> list[Tensor]:
        """Tensors side by side, with nothing in particular in them, until the next call."""
        sizes = [math.prod(shape) for shape in shapes]
        if self._memory.numel() < sum(sizes) or self._memory.dtype != like.dtype:
            self._memory = like.new_empty(sum(sizes))
        parts = torch.split(self._memory[: sum(sizes)], sizes)
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


class Winograd:
    """A convolution of stride 1 whose kernel has 3 x 3 pixels in each of its frames.

    Args:
        weight: Its kernel.
        bias: A number an output channel, or None.
        padding: Zeros around images (rows, columns) or clips (frames, rows, columns).
        workspace: Memory for what is in between.
    """

    def __init__(
        self,
        weight: Float[Tensor, "o c *taps 3 3"],
        bias: Float[Tensor, "o"] | None,
        padding: Sequence[int],
        workspace: Workspace,
    ) -> None:
        a, b, g = _transforms()
        by_frame = weight.double().reshape(*weight.shape[:2], -1, _TAPS, _TAPS)
        kernels = torch.einsum("iy,octyx,jx->tijco", g, by_frame, g)
        self._kernels = kernels.flatten(1, 2).to(weight)
        self._into = torch.kron(b.T, b.T).to(weight)
        self._out_of = torch.kron(a.T, a.T).to(weight)
        self._bias, self._workspace = bias, workspace
        self._taps, self._padding = weight.shape[2:], padding

    def __call__(self, features: Float[Tensor, "b c *t h w"]) -> Float[Tensor, "b o *t2 h2 w2"]:
        """Convolve features whose channels are innermost in memory, and so are the result's.

        It goes by some rows of tiles at a time, so that what is in between stays in the cache.
        """
        taps, _, channels, made = self._kernels.shape
        batch, _, *size = features.shape
        sizes = [n + 2 * p - k + 1 for n, p, k in zip(size, self._padding, self._taps, strict=True)]
        convolved = torch.empty(
            *(batch, made, *sizes),
            dtype=features.dtype,
            device=features.device,
            memory_format=LAYOUTS[len(sizes)],
        )
        # images are the frames of a clip whose kernel sees one at a time
        clips, results = (
            each.movedim(1, -1)[None] if len(sizes) == _IMAGE_AXES else each.movedim(1, -1)
            for each in (features, convolved)
        )
        height, width = sizes[-2:]
        row = _TILE**2 * (results.shape[1] + taps - 1) * -(-width // _OUT) * max(channels, made)
        step = _OUT * max(1, _BLOCK // row)
        for clip, result in zip(clips, results, strict=True):
            for top in range(0, height, step):
                self._block(clip, top, result[:, top : top + step])
        return convolved

    def _block(self, clip: Clip, top: int, result: Float[Tensor, "t2 rows w2 o"]) -> None:
        """Some rows of the output."""
        length, height, width, made = result.shape
        down, across = -(-height // _OUT), -(-width // _OUT)
        taps, points, channels, _ = self._kernels.shape
        given, asked = (length + taps - 1) * down * across, length * down * across
        tiles, spectrum, products, outputs = self._workspace.take(
            *((points, given, channels), (points, given, channels)),
            *((points, asked, made), (_OUT**2, asked * made)),
            like=clip,
        )
        self._tiles(clip, top, tiles.view(_TILE, _TILE, -1, down, across, channels))
        torch.mm(self._into, tiles.flatten(1), out=spectrum.flatten(1))
        torch.bmm(spectrum[:, :asked], self._kernels[0], out=products)
        for tap in range(1, taps):
            start = tap * down * across
            products.baddbmm_(spectrum[:, start : start + asked], self._kernels[tap])
        if self._bias is not None:
            products[_ONE] += self._bias
        torch.mm(self._out_of, products.flatten(1), out=outputs)
        sizes = {"i": _OUT, "t": length, "y": down, "x": across}
        whole = rearrange(outputs, "(i j) (t y x c) -> t y i x j c", **sizes)
        if (height, width) == (_OUT * down, _OUT * across):
            rearrange(result, "t (y i) (x j) c -> t y i x j c", i=_OUT, j=_OUT).copy_(whole)
        else:
            result.copy_(rearrange(whole, "t y i x j c -> t (y i) (x j) c")[:, :height, :width])

    def _tiles(self, clip: Clip, top: int, tiles: Float[Tensor, "6 6 t2 down across c"]) -> None:
        """Put in the tiles under some rows of the output, zeros where the clip ends."""
        frames, rows, columns = [0, *self._padding][-3:]
        down, across = tiles.shape[3:5]
        _, height, width, _ = clip.shape
        first, last = top - rows, top - rows + _OUT * down + _TAPS - 1
        seen = clip[:, max(first, 0) : min(last, height)]
        right = _OUT * across + _TAPS - 1 - columns - width
        margins = [0, 0, columns, right, max(-first, 0), max(last - height, 0), frames, frames]
        padded = F.pad(seen, margins)
        by_tile = padded.unfold(1, _TILE, _OUT).unfold(2, _TILE, _OUT)
        tiles.copy_(rearrange(by_tile, "t y x c i j -> i j t y x c"))


def _transforms() -> tuple[Tensor, Tensor, Tensor]:
    """``A`` (6 x 4), ``B`` (6 x 6) and ``G`` (6 x 3), after Toom and Cook.

    A filter is the transpose of a product of polynomials: ``A`` and ``G`` evaluate the factors,
    ``B`` interpolates.
    """
    points = np.array(_POINTS)

    def evaluate(degree: int) -> np.ndarray:
        return np.concatenate([points[:, None] ** np.arange(degree), np.eye(degree)[-1:]])

    factors = evaluate(_OUT), np.linalg.inv(evaluate(_TILE)), evaluate(_TAPS)
    a, b, g = (torch.from_numpy(each) for each in factors)
    return a, b, g
