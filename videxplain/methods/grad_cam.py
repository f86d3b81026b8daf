"""Grad-CAM, in space and time.

Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based
localization", ICCV 2017, https://arxiv.org/abs/1610.02391
"""

from functools import partial
from typing import ClassVar, Literal

from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass

from videxplain.methods.feature_maps import Cam, FeatureLayer, attribute_cams, positive_sum
from videxplain.scores import ScoreName
from videxplain.types import Attribution, Classifier, Clips, Cost, Frames, Targets


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
        return attribute_cams(clips, target, self.batch_size, partial(self._cam, classifier))

    def check(self, classifier: Classifier) -> None:
        """Refuse a network before anything is computed.

        Raises:
            UnsupportedPairError: If the classifier names no layer and none is given.
            LayerNotFoundError: If the network has no such layer.
        """
        FeatureLayer(classifier, self.layer)

    def _cam(self, classifier: Classifier, frames: Frames, target: Targets) -> Cam:
        """The map in the layer's own size."""
        layer = FeatureLayer(classifier, self.layer)
        maps, slopes = layer.maps_and_slopes(frames, target, self.score)
        averaged = (2, 3, 4) if self.average == "space_time" else (3, 4)
        return positive_sum(slopes.mean(dim=averaged, keepdim=True), maps)
