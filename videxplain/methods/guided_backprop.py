"""The gradient, of which each ReLU passes back only what speaks for the class.

Springenberg et al., "Striving for simplicity: the all convolutional net", ICLR workshop 2015,
https://arxiv.org/abs/1412.6806
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode

from videxplain.errors import UnsupportedPairError
from videxplain.methods.gradient import Gradient
from videxplain.scores import ScoreName
from videxplain.types import Attribution, Classifier, Clips, Cost, Targets

_RELUS = {F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
"""The function behind nn.ReLU, and what networks call in its place."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class GuidedBackprop:
    r"""The gradient of the target's score, cut to its positive part at the output of every ReLU.

    .. math:: R^l = 1[f^l > 0]\, 1[R^{l+1} > 0]\, R^{l+1}

    for a ReLU with input :math:`f^l`; other layers pass gradients as they are. Pictures are crisp,
    but depend little on the network's late layers: see Adebayo et al., "Sanity checks for saliency
    maps", NeurIPS 2018.

    Attributes:
        score: ``logit``, ``probability`` or ``log_probability`` of the target.
        batch_size: Clips that the network sees at once.
    """

    score: ScoreName = "logit"
    batch_size: PositiveInt = 2

    signed: ClassVar[bool] = True
    complete: ClassVar[bool] = False
    deterministic: ClassVar[bool] = True
    citation: ClassVar[str] = "Springenberg et al., ICLR workshop 2015, arXiv 1412.6806"

    @property
    def cost(self) -> Cost:
        """One pass in each direction."""
        return Cost(1, 1)

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:
        """Attribute the score of ``target`` to the pixels of ``clips``.

        Raises:
            UnsupportedPairError: If the network has no ReLU.
        """
        with _Guided() as guided:
            attribution = Gradient(self.score, self.batch_size)(classifier, clips, target)
        guided.check()
        return attribution

    def check(self, classifier: Classifier) -> None:
        """Refuse a network before anything is computed.

        One without ReLU modules is asked for a blank clip, lest it call ReLU as a function.

        Raises:
            UnsupportedPairError: If it has no ReLU.
        """
        if any(isinstance(module, nn.ReLU) for module in classifier.net.modules()):
            return
        with _Guided() as guided, torch.no_grad():
            classifier(classifier.blank_clip())
        guided.check()


class _Guided(TorchFunctionMode):
    """While it is entered, the output of every ReLU lets through positive gradients only.

    A mode and not hooks on modules: it sees a ReLU that is called as a function, as networks with
    residual blocks do, one module that is used several times, and leaves the network alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._met = False

    def check(self) -> None:
        """Refuse a network that has been asked, and called no ReLU.

        Raises:
            UnsupportedPairError: If it is one.
        """
        if not self._met:
            message = (
                "guided backpropagation needs ReLUs in the network and this model has none: choose "
                "another method, such as method=grad"
            )
            raise UnsupportedPairError(message)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        output = func(*args, **(kwargs or {}))
        if func in _RELUS:
            self._met = True
            if output.requires_grad:
                output.register_hook(_positive)
        return output


def _positive(gradient: Tensor) -> Tensor:
    return gradient.clamp_min(0)
