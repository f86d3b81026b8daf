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
from numpy.polynomial import chebyshev
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

Coarse = Float[Tensor, "a b t rows columns"]
"""Mask parameters in [0, 1]."""
Padded = Float[Tensor, "a b t padded_h padded_w"]
"""Mask on the padded plane."""
Visible = Float[Tensor, "a b t h w"]
"""Mask on the frame."""

_SHARPNESS = 20.0
"""Factor in the exponent of the smooth maximum; ICCV 2019, section 3.2."""
_TERMS = 20
"""Chebyshev terms an axis: 12 miss an error of 1e-5, 20 reach 6e-6 in float32."""
_NODES = 64
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

    Numerator and denominator are two ordinary convolutions, because
    :math:`\exp(20 k p) = \exp(10 k^2) \exp(10 p^2) \exp(-10 (k - p)^2)`, the last factor is a short
    sum :math:`\sum_{ij} C_{ij} T_i(k) T_j(p)` of Chebyshev polynomials on [0, 1], and the kernel
    repeats with the period of the grid: one output channel for each of the ``step^2`` phases.
    The denominator is summed as the number of cells plus :math:`\exp(20 k p) - 1`, so that empty
    cells, which are most, cost no accuracy.

    Args:
        grid: The geometry.
        like: A tensor whose type and device the masks take.
    """

    def __init__(self, grid: MaskGrid, like: Tensor) -> None:
        self._grid = grid
        kernel = _kernel(grid)
        expanded = np.exp(_SHARPNESS / 2 * kernel**2) * np.einsum(
            "ij,iyxvu->jyxvu", _coefficients(), _chebyshev(kernel)
        )
        weights = np.stack([expanded * kernel, expanded])  # numerator, denominator
        as_filters = rearrange(weights, "n j y x v u -> (n y x) j v u")
        self._filters = torch.from_numpy(as_filters).to(like)
        self._empty = (-1.0) ** torch.arange(_TERMS).to(like)[:, None, None]  # T_j where p = 0
        self._cells_seen = (2 * grid.radius + 1) ** 2

    def __call__(self, coarse: Coarse) -> Padded:
        """The masks on the padded plane, in [0, 1]."""
        areas, clips, frames = coarse.shape[:3]
        cells = F.pad(rearrange(coarse, "a b t r c -> (a b t) r c"), self._pads())
        basis = _chebyshev_tensor(cells) * torch.exp(_SHARPNESS / 2 * cells**2)[:, None]
        both = torch.cat([basis * cells[:, None], basis - self._empty], dim=1)
        numerator, denominator = F.conv2d(both, self._filters, groups=2).chunk(2, dim=1)
        masks = F.pixel_shuffle(numerator / (denominator + self._cells_seen), self._grid.step)
        rows, columns = self._grid.plane
        cut = masks[:, 0, :rows, :columns].clamp(0, 1)
        return cut.reshape(areas, clips, frames, rows, columns)

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


def _chebyshev(values: np.ndarray) -> np.ndarray:
    """Chebyshev polynomials on [0, 1], the degree first."""
    degrees = chebyshev.chebvander(2 * values - 1, _TERMS - 1)
    return np.moveaxis(degrees, -1, 0)


def _chebyshev_tensor(cells: Float[Tensor, "n r c"]) -> Float[Tensor, "n terms r c"]:
    """The same for a tensor, by the recurrence ``T_n = 2 x T_(n-1) - T_(n-2)``."""
    x = 2 * cells - 1
    polynomials = [torch.ones_like(x), x]
    while len(polynomials) < _TERMS:
        polynomials.append(2 * x * polynomials[-1] - polynomials[-2])
    return torch.stack(polynomials, dim=1)


def _coefficients() -> Float[np.ndarray, "terms terms"]:
    """``C`` in ``exp(-10 (k - p)^2) = sum_ij C_ij T_i(k) T_j(p)``, from Chebyshev nodes."""
    angles = (np.arange(_NODES) + 0.5) * np.pi / _NODES
    nodes = (np.cos(angles) + 1) / 2
    values = np.exp(-_SHARPNESS / 2 * (nodes[:, None] - nodes[None, :]) ** 2)
    transform = 2 / _NODES * _chebyshev(nodes)
    transform[0] /= 2
    coefficients: np.ndarray = transform @ values @ transform.T
    return coefficients
