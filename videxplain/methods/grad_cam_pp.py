"""Grad-CAM++, in space and time.

Chattopadhay et al., "Grad-CAM++: generalized gradient-based visual explanations for deep
convolutional networks", WACV 2018, https://arxiv.org/abs/1710.11063
"""

from functools import partial
from typing import ClassVar

from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass

from videxplain.methods.feature_maps import Cam, FeatureLayer, attribute_cams, positive_sum
from videxplain.types import Attribution, Classifier, Clips, Cost, Frames, Targets


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class GradCAMPlusPlus:
    r"""Feature maps of a late layer, each weighted by its positive gradients, positive part.

    .. math:: ReLU(\sum_k w_k A^k), \quad w_k = \sum_i \alpha_i^k\, ReLU(g_i^k), \quad
        \alpha_i^k = \frac{(g_i^k)^2}{2 (g_i^k)^2 + (g_i^k)^3 \sum_j A_j^k}

    with the gradients :math:`g = \partial S / \partial A` of the target's logit, i and j over time,
    height and width: the published weights of :math:`Y = \exp S`, without their common factor Y.
    Features are at least 0 behind a ReLU; where a layer gives others, their positive part is
    summed. Enlarged to the clip, linearly in time, height and width.

    Attributes:
        layer: Dotted name of the layer in the network; None takes the classifier's own.
        batch_size: Clips that the network sees at once.
    """

    layer: str | None = None
    batch_size: PositiveInt = 2

    signed: ClassVar[bool] = False
    complete: ClassVar[bool] = False
    deterministic: ClassVar[bool] = True
    citation: ClassVar[str] = "Chattopadhay et al., WACV 2018, arXiv 1710.11063"

    @property
    def cost(self) -> Cost:
        """One pass in each direction; the one back ends at the layer."""
        return Cost(1, 1)

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:
        """Attribute the logit of ``target`` to the pixels of ``clips``.

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
        maps, slopes = layer.maps_and_slopes(frames, target, "logit")
        total = maps.relu().sum(dim=(2, 3, 4), keepdim=True)
        slopes = slopes.relu()  # where g is negative it counts nothing; alpha is 1 / (2 + g sum A)
        weights = (slopes / (2 + slopes * total)).sum(dim=(2, 3, 4), keepdim=True)
        return positive_sum(weights, maps)
