"""Grad-CAM, in space and time.

Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based
localization", ICCV 2017, https://arxiv.org/abs/1610.02391
"""

from typing import ClassVar, Literal

import torch
from einops import EinopsError
from jaxtyping import Float
from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from videxplain.chunks import Chunks
from videxplain.errors import ConfigError, UnsupportedPairError
from videxplain.hooks import capture, find_layer
from videxplain.scores import SCORES, ScoreName
from videxplain.types import Attribution, Classifier, Clips, Cost, Frames, Targets

_ANOTHER = "give method.layer=<name> of another one, such as a late convolution"
Cam = Float[Tensor, "b 1 cam_t cam_h cam_w"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class GradCAM:
    r"""Feature maps of a late layer, weighted by the score's mean gradient, positive part.

    .. math:: ReLU(\sum_c \overline{\partial S / \partial A_c}\, A_c)

    enlarged to the clip, linearly in time, height and width.

    Attributes:
        layer: Dotted name of the layer in the network; None takes the classifier's own.
        average: Over what the gradient is averaged to a channel's weight: ``space_time``, or
            ``space``, one weight a time step, as in the published code.
        score: ``logit``, ``probability`` or ``log_probability`` of the target.
        batch_size: Clips that the network sees at once.
    """

    layer: str | None = None
    average: Literal["space_time", "space"] = "space_time"
    score: ScoreName = "logit"
    batch_size: PositiveInt = 2

    signed: ClassVar[bool] = False
    complete: ClassVar[bool] = False
    deterministic: ClassVar[bool] = True
    citation: ClassVar[str] = "Selvaraju et al., ICCV 2017, arXiv 1610.02391"

    @property
    def cost(self) -> Cost:
        """One pass in each direction; the one back ends at the layer."""
        return Cost(1, 1)

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:
        """Attribute the score of ``target`` to the pixels of ``clips``.

        Raises:
            UnsupportedPairError: If the classifier names no layer and none is given.
            LayerNotFoundError: If the network has no such layer.
            ConfigError: If its output is no feature map of the clip.
        """
        size = clips.frames.shape[2:]
        values = clips.frames.new_empty(len(clips), 1, *size)

        def run(part: slice) -> None:
            cam = self._cam(classifier, clips.frames[part], target[part])
            values[part] = F.interpolate(cam, size, mode="trilinear")

        Chunks(self.batch_size)(len(clips), run)
        return Attribution(values[None], target, signed=False)

    def check(self, classifier: Classifier) -> None:
        """Refuse a network before anything is computed.

        Raises:
            UnsupportedPairError: If the classifier names no layer and none is given.
            LayerNotFoundError: If the network has no such layer.
        """
        find_layer(classifier.net, self._layer(classifier))

    def _layer(self, classifier: Classifier) -> str:
        layer = self.layer or classifier.cam_layer
        if layer is None:
            known = ", ".join(name for name, _ in classifier.net.named_children())
            message = (
                "Grad-CAM needs a layer and this model names none: give method.layer=<name> of a "
                f"convolution in the network, whose top layers are {known}"
            )
            raise UnsupportedPairError(message)
        return layer

    def _gradient(self, score: Tensor, output: Tensor, layer: str) -> Tensor:
        found: tuple[Tensor | None, ...] = torch.autograd.grad(score, output, allow_unused=True)
        if found[0] is None:
            message = f"the score does not depend on layer {layer!r}: {_ANOTHER}"
            raise ConfigError(message)
        return found[0]

    def _cam(self, classifier: Classifier, frames: Frames, target: Targets) -> Cam:
        """The map in the layer's own size."""
        layer = self._layer(classifier)
        with torch.enable_grad(), capture(classifier.net, layer) as outputs:
            scores = SCORES[self.score](classifier(frames.detach().requires_grad_()), target)
        if len(outputs) != 1:
            message = f"layer {layer!r} is used {len(outputs)} times in a pass: {_ANOTHER}"
            raise ConfigError(message)
        (output,) = outputs
        gradient = self._gradient(scores.sum(), output, layer)
        try:
            maps, slopes = (
                classifier.unfold_cam(each, len(frames)) for each in (output.detach(), gradient)
            )
        except EinopsError as error:
            message = (
                f"layer {layer!r} gives {tuple(output.shape)}, which is no feature map of the "
                f"clip as {classifier.cam_layout!r}: {_ANOTHER}, or model.cam_layout=<its axes>"
            )
            raise ConfigError(message) from error
        averaged = (2, 3, 4) if self.average == "space_time" else (3, 4)
        weights = slopes.mean(dim=averaged, keepdim=True)
        return (weights * maps).sum(dim=1, keepdim=True).relu()
