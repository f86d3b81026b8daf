"""Attention rollout, over tokens that may be pooled on the way.

Abnar and Zuidema, "Quantifying attention flow in transformers", ACL 2020,
https://arxiv.org/abs/2005.00928
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import torch
from einops import rearrange
from jaxtyping import Float
from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from videxplain.errors import UnsupportedPairError
from videxplain.hooks import watching
from videxplain.methods.feature_maps import Cam, attribute_cams
from videxplain.types import Attribution, Classifier, Clips, Cost, Frames, Targets

PatchGrid = tuple[int, int, int]
"""Frames, rows and columns of patches."""
Shares = Float[Tensor, "b tokens"]
"""What each token has of the whole, the class token first; they add up to 1."""


@runtime_checkable
class Traceable(Protocol):
    """A block of a transformer that tells which tokens its output comes from.

    It is called with tokens ``b 1+(t h w) c``, the class token first, and the grid of the others,
    and gives tokens and their grid.
    """

    def trace_back(self, shares: Shares, tokens: Tensor, grid: PatchGrid) -> Shares:
        """Hand what the tokens after the block have to those before it.

        Args:
            shares: Of the tokens after it.
            tokens: Those before it.
            grid: Of these.
        """
        ...


class _Call(NamedTuple):
    """A block at work."""

    block: Traceable
    tokens: Tensor
    grid: PatchGrid
    length: int


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class AttentionRollout:
    r"""Which patches the class token comes from, through all attention of the network.

    .. math:: r_L = e_{class}, \quad r_{l-1} = r_l \left(\tfrac12 S_l + \tfrac12 A_l P_l\right)

    :math:`A_l` is the attention of block l, its heads averaged, :math:`S_l` its shortcut; the rows
    of both add up to 1. Where no token is pooled, :math:`S_l = P_l = 1` and this is the published
    definition. For MViT, whose blocks pool tokens, it is this package's extension: the matrices are
    rectangular, their rows add up to 1 still.

    - :math:`P_l` takes a pooled value to the tokens in the window of its depthwise convolution,
      each with its mean absolute weight there, as a share of the window's.
    - :math:`S_l` takes a token after a max-pool to the tokens that its channels were taken from,
      each with its share of the channels.
    - Where attention adds the pooled query to what it gives (MViTv2), that is a shortcut too:
      :math:`A_l P_l` becomes :math:`\tfrac12 A_l P_l + \tfrac12 Q_l` for all tokens but the
      class token, with :math:`Q_l` as :math:`P_l`.

    The first blocks of MViT read values at every fourth or eighth patch alone, in windows of three:
    the lattice in its maps is the network's.

    Norms and layers that see one token at a time count for nothing, and no class is asked for: the
    map is the same for each. It is enlarged to the clip, linearly in time, height and width.

    Attributes:
        batch_size: Clips that the network sees at once.
    """

    batch_size: PositiveInt = 2

    signed: ClassVar[bool] = False
    complete: ClassVar[bool] = False
    deterministic: ClassVar[bool] = True
    citation: ClassVar[str] = "Abnar and Zuidema, ACL 2020, arXiv 2005.00928"

    @property
    def cost(self) -> Cost:
        """One pass forward; its attention is then worked out once more, block by block."""
        return Cost(1, 0)

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:
        """Attribute the class token of ``clips`` to their pixels, whatever the ``target``.

        Raises:
            UnsupportedPairError: If the network has no blocks that can be traced.
        """
        self.check(classifier)

        def make(frames: Frames, _: Targets) -> Cam:
            return _rollout(classifier, frames)

        return attribute_cams(clips, target, self.batch_size, make)

    def check(self, classifier: Classifier) -> None:
        """Refuse a network before anything is computed.

        Raises:
            UnsupportedPairError: If the network has no blocks that can be traced.
        """
        if not _blocks(classifier.net):
            message = (
                "attention rollout follows a class token back through attention, and no block of "
                f"this network ({type(classifier.net).__name__}) can be traced so: choose "
                "model=mvit_v1_b, model=mvit_v2_s or another method"
            )
            raise UnsupportedPairError(message)


def _blocks(net: nn.Module) -> list[nn.Module]:
    return [module for module in net.modules() if isinstance(module, Traceable)]


def _rollout(classifier: Classifier, frames: Frames) -> Cam:
    """Shares of the patches that the network begins with."""
    with torch.no_grad(), _calls(classifier.net) as calls:
        classifier(frames)
    shares = frames.new_zeros(len(frames), calls[-1].length)
    shares[:, 0] = 1
    for block, tokens, grid, _ in reversed(calls):
        shares = block.trace_back(shares, tokens.to(frames), grid)
    rows, columns = calls[0].grid[1:]
    return rearrange(shares[:, 1:], "b (t h w) -> b 1 t h w", h=rows, w=columns)


@contextmanager
def _calls(net: nn.Module) -> Iterator[list[_Call]]:
    """Record what each block is given, in the order of a pass; the hooks go when the block ends."""
    calls: list[_Call] = []

    def record(
        block: nn.Module, inputs: tuple[Tensor, PatchGrid], output: tuple[Tensor, PatchGrid]
    ) -> None:
        if isinstance(block, Traceable):
            calls.append(_Call(block, *inputs, output[0].shape[1]))

    with watching(_blocks(net), record):
        yield calls
