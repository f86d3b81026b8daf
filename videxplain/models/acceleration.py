"""The same answers as a network's, sooner: batch norms folded, weights laid out once."""

import copy
import logging
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from videxplain.devices import without_tf32
from videxplain.hooks import watching
from videxplain.models.convolution import FrozenConvolution, can_fold, can_freeze

log = logging.getLogger(__name__)

_AGREES = 1e-4
"""Largest difference of logits that rounding explains, as a share of the largest logit."""
_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


class Accelerated:
    """Runs a frozen network through a quicker copy of it.

    The copy shares all parameters but those of convolutions. It is made when the network is first
    asked and whenever its layers, its parameters or the precision have changed since, and used only
    if both give the same logits; a network with hooks, which want to see its own layers, runs
    itself. What is written through ``.data`` leaves no trace, and goes unseen.
    """

    def __init__(self) -> None:
        self._quick: nn.Module | None = None
        self._state: tuple[object, ...] = ()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["Accelerated"], tuple[()]]:
        """Copies and pickles start anew: laid-out weights belong to this process."""
        return Accelerated, ()

    def __call__(self, net: nn.Module, frames: Tensor) -> Tensor:
        """What the network says.

        Args:
            net: In evaluation mode, its parameters frozen.
            frames: Its input.
        """
        with self._lock:
            quick = net if _has_hooks(net) else self._prepared(net, frames)
        return _ask(quick, frames)

    def _prepared(self, net: nn.Module, frames: Tensor) -> nn.Module:
        mixed = torch.is_autocast_enabled(frames.device.type)
        modules = tuple((id(each), each.training) for each in net.modules())
        tensors = tuple((each.data_ptr(), _version(each)) for each in _tensors(net))
        state = (mixed, modules, tensors)
        if self._quick is None or state != self._state:
            with torch.inference_mode(mode=False), torch.no_grad():
                self._quick = _quicker(net, frames.detach()[:1].clone())
            self._state = state
        return self._quick


def _has_hooks(net: nn.Module) -> bool:
    return any(getattr(module, kind) for module in net.modules() for kind in _HOOKS)


def _ask(net: nn.Module, frames: Tensor) -> Tensor:
    logits: Tensor = net(frames)
    return logits


def _version(tensor: Tensor) -> int:
    """How often its values were changed in place."""
    return 0 if tensor.is_inference() else tensor._version


def _tensors(net: nn.Module) -> Iterator[Tensor]:
    yield from net.parameters()
    yield from net.buffers()


def _quicker(net: nn.Module, frames: Tensor) -> nn.Module:
    """A copy that gives the same logits, else the network itself."""
    try:
        with _full_precision(frames.device):  # lest rounding hide a difference, or look like one
            expected, norms = _norm_after(net, frames.clone())
        quick = _copy_of(net, norms)
        with _full_precision(frames.device):
            found = _ask(quick, frames.clone())
    except Exception as error:  # a network may ask anything of its own layers
        log.info("the network runs as it is, not accelerated (%r)", error)
        return net
    tolerance = _AGREES * expected.abs().max().item()
    if not torch.allclose(found, expected, rtol=0, atol=tolerance, equal_nan=True):
        log.info("the network runs as it is, not accelerated (folded, its logits are others)")
        return net
    return quick


@contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    with torch.autocast(device.type, enabled=False), without_tf32():
        yield


def _norm_after(net: nn.Module, frames: Tensor) -> tuple[Tensor, dict[str, str]]:
    """Logits, and which batch norm takes each convolution's output, and that alone."""
    names = {module: name for name, module in net.named_modules()}
    made: dict[int, tuple[weakref.ref[Tensor], str]] = {}
    norms: dict[str, str] = {}
    calls: Counter[str] = Counter()

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not inputs:
            return
        name = names[module]
        calls[name] += 1
        maker, convolution = made.get(id(inputs[0]), (None, ""))
        if can_freeze(module):
            made[id(output)] = weakref.ref(output), name
        elif maker is not None and maker() is inputs[0]:
            norms[convolution] = name

    with watching([each for each in names if can_freeze(each) or can_fold(each)], note):
        logits = _ask(net, frames)
    once = {
        convolution: norm
        for convolution, norm in norms.items()
        if calls[convolution] == calls[norm] == 1
    }
    return logits, once


def _copy_of(net: nn.Module, norms: dict[str, str]) -> nn.Module:
    """The network with frozen convolutions, the batch norms after them gone."""
    shared = {id(each): each for each in _tensors(net)}
    quick = copy.deepcopy(net, shared)
    layers = dict(net.named_modules())
    for name, layer in layers.items():
        if name and can_freeze(layer):
            norm = layers[norms[name]] if name in norms else None
            quick.set_submodule(name, FrozenConvolution(layer, norm))
    for name in norms.values():
        quick.set_submodule(name, nn.Identity())
    return quick
