"""Convolutions whose weights never change, with the batch norms after them.

PyTorch brings the weights of a convolution to the form that its CPU kernels want at every call, and
again for the gradient; in the late layers of a video network that costs more than the arithmetic.
Here each form is made once.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F  # noqa: N812

from videxplain.devices import in_float64
from videxplain.models import kernels
from videxplain.models.kernels import LAYOUTS, Geometry

Convolution = nn.Conv2d | nn.Conv3d
BatchNorm = nn.BatchNorm2d | nn.BatchNorm3d

_Forward = Callable[[Tensor], Tensor]
_Backward = Callable[[Tensor, torch.Size], Tensor]
_LANES = 16
"""Channels that a CPU kernel works on at once; with fewer, the rest of its work is wasted."""

_HEAVY = 100
"""Weights an output from which on a second layout of them takes more memory than it is worth."""


def can_freeze(module: nn.Module) -> bool:
    """Whether a layer is a plain convolution of images or clips, zeros around them."""
    return (
        isinstance(module, Convolution)
        and type(module).forward in (nn.Conv2d.forward, nn.Conv3d.forward)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


def can_fold(module: nn.Module) -> bool:
    """Whether a layer is a batch norm that scales and shifts by fixed numbers."""
    return isinstance(module, BatchNorm) and not module.training and module.running_var is not None


class FrozenConvolution(nn.Module):
    r"""A convolution, and the batch norm after it, as one function of the input alone.

    In evaluation mode a batch norm is an affine map of each channel, so it goes into the weights:
    :math:`w' = w \gamma / \sqrt{var + \epsilon}` and
    :math:`b' = \beta + (b - mean) \gamma / \sqrt{var + \epsilon}`.

    Args:
        convolution: Its weights are copied; see `can_freeze`.
        norm: The batch norm that follows it, if any; see `can_fold`.
    """

    def __init__(self, convolution: Convolution, norm: BatchNorm | None) -> None:
        super().__init__()
        mixed = torch.is_autocast_enabled(convolution.weight.device.type)
        prepared = kernels.available(convolution.weight) and not mixed
        self._run: _Forward = (_Prepared if prepared else _Plain)(convolution, norm)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``b c ...`` to ``b c ...``."""
        return self._run(features)


def _geometry(convolution: Convolution) -> Geometry:
    stride, padding, dilation = (
        [int(number) for number in each]
        for each in (convolution.stride, convolution.padding, convolution.dilation)
    )
    kernel = list(convolution.weight.shape[2:])
    return Geometry(kernel, stride, padding, dilation, convolution.groups)


def _weights(convolution: Convolution, norm: BatchNorm | None) -> tuple[Tensor, Tensor | None]:
    """Weights and bias with the batch norm in them; its numbers are combined in float64."""
    weight = convolution.weight.detach()
    bias = None if convolution.bias is None else convolution.bias.detach()
    if norm is None:
        return weight, bias
    factor, shift = _affine(norm)
    before = 0.0 if bias is None else in_float64(bias)
    folded = weight * factor.to(weight).reshape(-1, *[1] * (weight.dim() - 1))
    return folded, (shift + before * factor).to(weight)


def _affine(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """What a batch norm multiplies each channel by, and adds to it, in float64."""
    device = torch.as_tensor(norm.running_var).device
    mean, variance, scale, shift = (
        in_float64(torch.as_tensor(each, device=device).detach())
        for each in (
            norm.running_mean,
            norm.running_var,
            1.0 if norm.weight is None else norm.weight,
            0.0 if norm.bias is None else norm.bias,
        )
    )
    factor = scale * torch.rsqrt(variance + norm.eps)
    return factor, shift - mean * factor


class _Plain:
    """PyTorch's own convolution, on every device and in every precision."""

    def __init__(self, convolution: Convolution, norm: BatchNorm | None) -> None:
        self._weight, self._bias = _weights(convolution, norm)
        self._geometry = _geometry(convolution)
        self._convolve: Callable[..., Tensor] = (F.conv2d, F.conv3d)[self._geometry.axes - 2]

    def __call__(self, features: Tensor) -> Tensor:
        how = self._geometry
        return self._convolve(
            *(features, self._weight, self._bias),
            *(how.stride, how.padding, how.dilation, how.groups),
        )


class _Prepared:
    """The convolution and its gradient, each prepared when it first runs.

    Between the two no third copy of the weights is held: they are folded for each.
    """

    def __init__(self, convolution: Convolution, norm: BatchNorm | None) -> None:
        self._layers = (convolution, norm)
        self._geometry = _geometry(convolution)
        self._layout = LAYOUTS[self._geometry.axes]
        self._forward: _Forward | None = None
        self._backward: _Backward | None = None

    def __call__(self, features: Tensor) -> Tensor:
        convolved: Tensor = _Convolve.apply(features, self)
        return convolved

    def convolve(self, features: Tensor) -> Tensor:
        """The convolution."""
        inner = features.contiguous(memory_format=self._layout)
        if self._forward is None:
            weight_and_bias = _weights(*self._layers)
            self._forward = kernels.Direct(*weight_and_bias, self._geometry, inner.shape)
        return self._forward(inner)

    def gradient(self, slopes: Tensor, size: torch.Size) -> Tensor:
        """The gradient with respect to an input of this size."""
        inner = slopes.contiguous(memory_format=self._layout)
        if self._backward is None:
            self._backward = self._backward_for(inner.shape, size)
        return self._backward(inner, size)

    def _backward_for(self, slopes: torch.Size, size: torch.Size) -> _Backward:
        convolution, norm = self._layers
        if convolution.weight.numel() > _HEAVY * slopes.numel():
            factor = None if norm is None else _affine(norm)[0]
            return kernels.Unprepared(convolution.weight, factor, self._geometry)
        how, (weight, _) = self._geometry, _weights(*self._layers)
        few_channels = how.groups == 1 and weight.shape[1] < _LANES
        if few_channels and set(how.dilation) == {1}:
            return kernels.ByPhases(weight, how, slopes)
        return kernels.Transposed(weight, how, slopes, size)


class _Convolve(torch.autograd.Function):
    """Nothing but the input's size is kept for the gradient."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, prepared: _Prepared) -> Tensor:  # noqa: ANN401
        ctx.prepared, ctx.size = prepared, features.shape
        return prepared.convolve(features)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return ctx.prepared.gradient(slopes, ctx.size), None
