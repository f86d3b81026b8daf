"""Look inside a network without leaving anything behind."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from videxplain.errors import ConfigError, LayerNotFoundError


@contextmanager
def watching(
    modules: Iterable[nn.Module], note: Callable[[nn.Module, Any, Any], Tensor | None]
) -> Iterator[None]:
    """Tell of every call of some modules while the block runs.

    Args:
        modules: Those watched.
        note: Called with the module, the tuple of its inputs and its output; a tensor that it
            returns takes the output's place.
    """
    handles = [module.register_forward_hook(note) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def capture(net: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """Record the outputs of a layer while the block runs; the hook goes when the block ends.

    Args:
        net: The network.
        layer: Dotted name of a layer in it.

    Yields:
        A list that grows by one tensor a forward pass, still attached to the graph.

    Raises:
        LayerNotFoundError: If ``net`` has no such layer.
        ConfigError: If it gives something else than one tensor.
    """
    outputs: list[Tensor] = []

    def record(_module: nn.Module, _inputs: object, output: object) -> Tensor:
        if not isinstance(output, Tensor):
            message = (
                f"layer {layer!r} gives a {type(output).__name__}: name one that gives a Tensor"
            )
            raise ConfigError(message)
        outputs.append(output)
        return output.clone()  # the next layer may work in place: let it spoil a copy

    with watching([find_layer(net, layer)], record):
        yield outputs


@contextmanager
def output_shapes(net: nn.Module) -> Iterator[dict[str, tuple[int, ...]]]:
    """Record the shape of what each layer gives while the block runs.

    Args:
        net: The network.

    Yields:
        Shapes by dotted name, of the layers that give one tensor; inner layers come first.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    names = {module: name for name, module in net.named_modules() if name}

    def record(module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            shapes[names[module]] = tuple(output.shape)

    with watching(names, record):
        yield shapes


def find_layer(net: nn.Module, layer: str) -> nn.Module:
    """A layer by its dotted name.

    Raises:
        LayerNotFoundError: If there is none; the top layers are named.
    """
    try:
        return net.get_submodule(layer)
    except AttributeError as error:
        known = ", ".join(name for name, _ in net.named_children())
        message = f"no layer {layer!r} in the network: its top layers are {known}"
        raise LayerNotFoundError(message) from error
