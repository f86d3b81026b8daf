"""Convolutions and their gradients with the weights laid out once, for PyTorch's CPU kernels.

The kernels are oneDNN's, by the operators that PyTorch's own compiler calls. Features come with
their channels innermost.
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.nn.grad import conv2d_input, conv3d_input

LAYOUTS = {2: torch.channels_last, 3: torch.channels_last_3d}
"""Channels innermost, by the number of axes that a kernel moves along."""
_OPERATORS = (
    *("_reorder_convolution_weight", "_convolution_pointwise"),
    *("_reorder_convolution_transpose_weight", "_convolution_transpose_pointwise"),
)
_TO_PHASES = {
    2: "o c (j y) (i x) -> (c y x) o j i",
    3: "o c (k z) (j y) (i x) -> (c z y x) o k j i",
}
_FROM_PHASES = {
    2: "b (c y x) j i -> b c (j y) (i x)",
    3: "b (c z y x) k j i -> b c (k z) (j y) (i x)",
}


@dataclass(frozen=True)
class Geometry:
    """Numbers of a convolution, one an axis."""

    kernel: list[int]
    stride: list[int]
    padding: list[int]
    dilation: list[int]
    groups: int

    @property
    def axes(self) -> int:
        """Along which the kernel moves."""
        return len(self.kernel)


def available(weight: Tensor) -> bool:
    """Whether this PyTorch lays out such weights."""
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS)
    )


class Direct:
    """The convolution.

    Args:
        weight: ``o c ...``.
        bias: A number an output channel, or None.
        geometry: How the kernel moves.
        size: Of the features it is made for; others take longer.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None, geometry: Geometry, size: torch.Size
    ) -> None:
        how = geometry
        self._numbers = (how.padding, how.stride, how.dilation, how.groups)
        self._bias = bias
        self._packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
            weight, *self._numbers, list(size)
        )

    def __call__(self, features: Tensor) -> Tensor:
        """Convolve."""
        convolved: Tensor = torch.ops.mkldnn._convolution_pointwise(
            features, self._packed, self._bias, *self._numbers, "none", [], ""
        )
        return convolved


class Transposed:
    """The gradient of a convolution with respect to its input.

    Args:
        weight: Of the convolution.
        geometry: Of the convolution.
        slopes: Size of the output's gradient that it is made for; others take longer.
        size: Size of the input.
    """

    def __init__(
        self, weight: Tensor, geometry: Geometry, slopes: torch.Size, size: torch.Size
    ) -> None:
        self._geometry = how = geometry
        self._packed: Tensor = torch.ops.mkldnn._reorder_convolution_transpose_weight(
            *(weight, how.padding, self._unseen(slopes, size)),
            *(how.stride, how.dilation, how.groups, list(slopes)),
        )

    def __call__(self, slopes: Tensor, size: torch.Size) -> Tensor:
        """The input's gradient, from the output's."""
        how = self._geometry
        gradient: Tensor = torch.ops.mkldnn._convolution_transpose_pointwise(
            *(slopes, self._packed, None, how.padding, self._unseen(slopes.shape, size)),
            *(how.stride, how.dilation, how.groups, "none", [], ""),
        )
        return gradient

    def _unseen(self, slopes: torch.Size, size: torch.Size) -> list[int]:
        """Positions at the input's end that no output sees, an axis."""
        how = self._geometry
        numbers = zip(
            *(size[2:], slopes[2:], how.kernel, how.stride, how.padding, how.dilation), strict=True
        )
        return [m - ((n - 1) * s - 2 * p + d * (k - 1) + 1) for m, n, k, s, p, d in numbers]


class Unprepared:
    """The same gradient with the weights as they are: slower, but without a copy of them.

    Args:
        weight: Of the convolution.
        factor: What each of its outputs is multiplied by, or None.
        geometry: Of the convolution.
    """

    def __init__(self, weight: Tensor, factor: Tensor | None, geometry: Geometry) -> None:
        self._weight, self._geometry = weight, geometry
        column = None if factor is None else factor.reshape(-1, *[1] * geometry.axes)
        self._factor = 1.0 if column is None else column.to(weight)
        self._of_input = {2: conv2d_input, 3: conv3d_input}[geometry.axes]

    def __call__(self, slopes: Tensor, size: torch.Size) -> Tensor:
        """The input's gradient, from the output's."""
        how = self._geometry
        gradient: Tensor = self._of_input(  # type: ignore[no-untyped-call]
            *(size, self._weight, slopes * self._factor),
            *(how.stride, how.padding, how.dilation, how.groups),
        )
        return gradient


class ByPhases:
    r"""The same gradient for an input of few channels, as a convolution with many.

    With stride s and padding p, input position :math:`s q + r - p` has the gradient
    :math:`\sum_j w_{s j + r}\, g_{q - j}`: for each phase r a convolution of stride 1, and the
    phases are its output channels. A kernel of 3 output channels would waste most of its work.

    Args:
        weight: Of the convolution.
        geometry: Of the convolution, without groups or dilation.
        slopes: Size of the output's gradient that it is made for; others take longer.
    """

    def __init__(self, weight: Tensor, geometry: Geometry, slopes: torch.Size) -> None:
        self._geometry = how = geometry
        self._steps = dict(zip("xyz", reversed(how.stride), strict=False))
        fill = [each for k, s in self._from_last() for each in (0, -k % s)]
        phases = rearrange(F.pad(weight, fill), _TO_PHASES[how.axes], **self._steps)
        reach = [size - 1 for size in phases.shape[2:]]
        one = [1] * how.axes
        flipped = phases.flip(*range(2, 2 + how.axes))
        stepless = Geometry(list(phases.shape[2:]), one, reach, one, 1)
        self._convolve = Direct(flipped, None, stepless, slopes)

    def __call__(self, slopes: Tensor, size: torch.Size) -> Tensor:
        """The input's gradient, from the output's."""
        how = self._geometry
        whole = rearrange(self._convolve(slopes), _FROM_PHASES[how.axes], **self._steps)
        margins = []
        for axis in reversed(range(how.axes)):
            before, given, wanted = how.padding[axis], whole.shape[2 + axis], size[2 + axis]
            margins += [-before, before + wanted - given]
        return F.pad(whole, margins)

    def _from_last(self) -> list[tuple[int, int]]:
        """Kernel and stride, the last axis first."""
        how = self._geometry
        return list(zip(reversed(how.kernel), reversed(how.stride), strict=True))
