"""Score-CAM, in space and time.

Wang et al., "Score-CAM: score-weighted visual explanations for convolutional neural networks", CVPR
workshops 2020, https://arxiv.org/abs/1910.01279
"""

from typing import ClassVar

import torch
from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass

from videxplain.baselines import Baseline
from videxplain.chunks import Chunks
from videxplain.filters import stretched
from videxplain.methods.feature_maps import FeatureLayer, Maps, enlarged, positive_sum
from videxplain.methods.masking import Mask, MaskedCopies
from videxplain.types import Attribution, Classifier, Clips, Cost, Targets


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ScoreCAM:
    r"""Feature maps of a late layer, weighted by the score of the clip seen through each.

    .. math:: ReLU(\sum_k \alpha_k A^k), \quad
        \alpha_k = \frac{\exp S(x \odot H^k)}{\sum_j \exp S(x \odot H^j)}

    with the logit S of the target and :math:`H^k`, the map :math:`A^k` enlarged to the clip,
    linearly in time, height and width, and brought to [0, 1]. Where it is 0, the baseline is seen;
    the baseline's own score, which the paper takes off, cancels in the quotient. A map that is the
    same everywhere hides everything.

    Attributes:
        layer: Dotted name of the layer in the network; None takes the classifier's own.
        channels: The most maps that are looked at, those that vary most in the clip; 512 are all of
            R(2+1)D, R3D and MC3.
        baseline: ``black``, ``blur``, ``mean`` or ``zero``.
        batch_size: Masked clips that the network sees at once.
    """

    layer: str | None = None
    channels: PositiveInt = 512
    baseline: Baseline = "zero"
    batch_size: PositiveInt = 2

    signed: ClassVar[bool] = False
    complete: ClassVar[bool] = False
    deterministic: ClassVar[bool] = True
    citation: ClassVar[str] = "Wang et al., CVPR workshops 2020, arXiv 1910.01279"

    @property
    def cost(self) -> Cost:
        """One forward pass for the maps and one a map; fewer where the layer has fewer."""
        return Cost(1 + self.channels, 0)

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:
        """Attribute the logit of ``target`` to the pixels of ``clips``.

        Raises:
            UnsupportedPairError: If the classifier names no layer and none is given.
            LayerNotFoundError: If the network has no such layer.
            ConfigError: If its output is no feature map of the clip.
        """
        maps, size = self._maps(classifier, clips), clips.frames.shape[2:]

        def mask(clip: int, channel: int) -> Mask:
            return stretched(enlarged(maps[clip, channel][None, None], size))[0, 0]

        copies = MaskedCopies(maps.shape[1], mask, self.baseline, self.batch_size)
        weights = copies.scores(classifier, clips, target, "logit").softmax(dim=1)
        cam = positive_sum(weights[:, :, None, None, None], maps)
        return Attribution(enlarged(cam, size)[None], target, signed=False)

    def check(self, classifier: Classifier) -> None:
        """Refuse a network before anything is computed.

        Raises:
            UnsupportedPairError: If the classifier names no layer and none is given.
            LayerNotFoundError: If the network has no such layer.
        """
        FeatureLayer(classifier, self.layer)

    def _maps(self, classifier: Classifier, clips: Clips) -> Maps:
        """Of each clip, those looked at."""
        layer = FeatureLayer(classifier, self.layer)
        found: dict[int, Maps] = {}

        def run(part: slice) -> None:
            maps = layer.maps(clips.frames[part])
            varies = maps.flatten(2).var(dim=2, correction=0)
            most = varies.topk(min(self.channels, maps.shape[1])).indices
            found[part.start] = maps.take_along_dim(most[:, :, None, None, None], dim=1)

        Chunks(self.batch_size)(len(clips), run)
        return torch.cat([found[start] for start in sorted(found)])
