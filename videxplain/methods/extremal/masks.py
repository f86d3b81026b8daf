"""Smooth masks: coarse parameters, upsampled by a smooth maximum of bell-shaped kernels.

Fong, Patrick and Vedaldi, ICCV 2019, section 3.2. A mask is computed on a *padded plane* that
reaches ``margin`` pixels beyond the frame; the frame shows through its visible window.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

Coarse = Float[Tensor, "*masks t rows columns"]
"""Mask parameters in [0, 1]."""
Padded = Float[Tensor, "*masks t padded_h padded_w"]
"""Mask on the padded plane."""
Visible = Float[Tensor, "*masks t h w"]
"""Mask on the frame."""

_SHARPNESS = 20.0
"""Factor in the exponent of the smooth maximum; ICCV 2019, section 3.2."""
_NODES = 16
"""Kernel values between which is interpolated: 12 miss by 1e-6, 16 by 1e-10."""
_REFERENCE = 112
"""Frame size at which the published kernel is 11 pixels wide (23 at 224)."""
_LEAST_SIGMA = 2
_STEP = 7
_STEP_PER_SIGMA = 0.85


def default_sigma(height: int, width: int) -> int:
    """Kernel width in pixels: 11 at 112 px, 23 at 224 px, in proportion elsewhere."""
    return max(_LEAST_SIGMA, round(12 * min(height, width) / _REFERENCE - 1))


def default_step(sigma: int) -> int:
    """Pixels between cells: 7 as published, fewer where so narrow a kernel would leave holes.

    Half a cell's diagonal, ``step / sqrt(2)``, must lie well inside the kernel: at ``0.83 sigma``
    it still weighs 0.8.
    """
    return max(1, min(_STEP, int(sigma / _STEP_PER_SIGMA)))


@dataclass(frozen=True)
class MaskGrid:
    """Where the coarse cells lie on the padded plane.

    Cell ``(r, c)`` sits at padded pixel ``(margin + step r, margin + step c)``. Along an axis,
    pixel ``u`` sees the cells ``floor(u / step) - padding + k`` for ``k = 0 .. 2 radius``; at
    112 px this window is not centred, as published.

    Attributes:
        height: Rows of the frame in pixels.
        width: Columns of the frame in pixels.
        step: Pixels between cells.
        sigma: Width of the kernel in pixels.
    """

    height: int
    width: int
    step: int
    sigma: int

    @property
    def margin(self) -> int:
        """Pixels of the padded plane before the frame."""
        return self.sigma

    @property
    def radius(self) -> int:
        """Cells that a pixel sees on either side."""
        return 1 + math.ceil(self.sigma / self.step)

    @property
    def padding(self) -> int:
        """Empty cells around the grid."""
        return 1 + math.ceil(2 * self.sigma / self.step)

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of parameters."""
        return math.ceil(self.height / self.step), math.ceil(self.width / self.step)

    @property
    def windows(self) -> tuple[int, int]:
        """Rows and columns of blocks of ``step`` pixels, enough of them to cover the frame."""
        return self._windows(self.height), self._windows(self.width)

    @property
    def plane(self) -> tuple[int, int]:
        """Rows and columns of the padded plane."""
        rows, columns = self.windows
        return self.step * (rows - 1) + 1, self.step * (columns - 1) + 1

    def _windows(self, size: int) -> int:
        published = math.ceil(size / self.step) + 2 * (self.padding - self.radius)
        needed = math.ceil((self.margin + size - 1) / self.step) + 1
        return max(published, needed)

    def crop(self, padded: Padded) -> Visible:
        """The window of the padded plane that lies over the frame."""
        rows = slice(self.margin, self.margin + self.height)
        return padded[..., rows, self.margin : self.margin + self.width]


class SmoothMaximum:
    r"""Upsample coarse cells :math:`p` to :math:`m(u) = \sum_i k_i p_i \, softmax_i(20 k_i p_i)`.

    :math:`k_i = \exp(-2 \max(z_i - 1/2, 0)^2)` with :math:`z_i` the distance to cell ``i`` in
    units of sigma; cells outside the grid take part with ``p = 0``.

    Numerator and denominator are ordinary convolutions. First,
    :math:`\exp(20 k p) = \sum_j M_j(k) \exp(20 c_j p)` with 16 nodes :math:`c_j` in [0, 1]: divided
    by :math:`\exp(10 k^2 + 10 p^2)` it is the interpolation of a Gaussian in :math:`k - p` by
    Gaussians at the nodes. Second, the kernel repeats with the period of the grid: one output
    channel for each of the ``step^2`` phases. The denominator is summed as the number of cells plus
    :math:`\exp(20 k p) - 1`, so that empty cells, which are most, cost no accuracy.

    Args:
        grid: The geometry.
        like: A tensor whose type and device the masks take.
    """

    def __init__(self, grid: MaskGrid, like: Tensor) -> None:
        self._grid = grid
        kernel = _kernel(grid)
        denominator = _interpolation(kernel)
        weights = np.stack([denominator * kernel, denominator])
        as_filters = rearrange(weights, "n j y x v u -> (n y x) j v u")
        filters = torch.from_numpy(as_filters).to(like)
        self._filters = filters.contiguous(memory_format=torch.channels_last)
        self._exponents = _SHARPNESS * torch.from_numpy(_nodes()).to(like)
        self._cells_seen = (2 * grid.radius + 1) ** 2

    def __call__(self, coarse: Coarse) -> Padded:
        """The masks on the padded plane, in [0, 1]."""
        cells = F.pad(coarse.flatten(end_dim=-3), self._pads())[..., None]
        growth = torch.expm1(self._exponents * cells)
        both = torch.cat([(growth + 1) * cells, growth], dim=-1)
        sums = F.conv2d(both.movedim(-1, 1), self._filters, groups=2)
        numerator, denominator = sums.chunk(2, dim=1)
        masks = F.pixel_shuffle(numerator / (denominator + self._cells_seen), self._grid.step)
        rows, columns = self._grid.plane
        cut = masks[:, 0, :rows, :columns].clamp(0, 1)
        return cut.reshape(*coarse.shape[:-2], rows, columns)

    def _pads(self) -> list[int]:
        grid = self._grid
        after = [
            windows + 2 * grid.radius - cells - grid.padding
            for windows, cells in zip(grid.windows, grid.cells, strict=True)
        ]
        return [grid.padding, after[1], grid.padding, after[0]]


def _kernel(grid: MaskGrid) -> Float[np.ndarray, "phase_y phase_x tap_y tap_x"]:
    """Weight of each cell that a pixel sees, by the pixel's phase within its block."""
    phases = np.arange(grid.step)[:, None]
    taps = np.arange(2 * grid.radius + 1)[None, :]
    away = phases - (grid.margin + grid.step * (taps - grid.padding))
    distance = np.hypot(away[:, None, :, None], away[None, :, None, :]) / grid.sigma
    kernel: np.ndarray = np.exp(-2 * np.maximum(distance - 0.5, 0) ** 2)
    return kernel


def _nodes() -> Float[np.ndarray, "nodes"]:
    """Chebyshev nodes on [0, 1]."""
    angles = (np.arange(_NODES) + 0.5) * np.pi / _NODES
    nodes: np.ndarray = (np.cos(angles) + 1) / 2
    return nodes


def _interpolation(
    kernel: Float[np.ndarray, "phase_y phase_x tap_y tap_x"],
) -> Float[np.ndarray, "nodes phase_y phase_x tap_y tap_x"]:
    """``M_j(k)`` in ``exp(20 k p) = sum_j M_j(k) exp(20 c_j p)``."""
    half, nodes, values = _SHARPNESS / 2, _nodes(), kernel.reshape(1, -1)
    between = np.exp(-half * (nodes[:, None] - nodes) ** 2)
    gaussians = np.linalg.solve(between, np.exp(-half * (nodes[:, None] - values) ** 2))
    weights: np.ndarray = gaussians * np.exp(half * (values**2 - nodes[:, None] ** 2))
    return weights.reshape(-1, *kernel.shape)
