"""What a late layer gives for a clip, and maps of the clip made of it."""

from collections.abc import Callable, Sequence

import torch
from einops import EinopsError
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from videxplain.chunks import Chunks
from videxplain.errors import ConfigError, UnsupportedPairError
from videxplain.hooks import capture, find_layer
from videxplain.scores import SCORES, ScoreName
from videxplain.types import Attribution, Classifier, Clips, Frames, Logits, Targets

_ANOTHER = "give method.layer=<name> of another one, such as a late convolution"
Maps = Float[Tensor, "b channel cam_t cam_h cam_w"]
Cam = Float[Tensor, "b 1 cam_t cam_h cam_w"]


class FeatureLayer:
    """A layer whose output is a feature map of the clip.

    Args:
        classifier: Its network has the layer.
        name: Dotted name of the layer; None takes the classifier's own.

    Raises:
        UnsupportedPairError: If the classifier names no layer and none is given.
        LayerNotFoundError: If the network has no such layer.
    """

    def __init__(self, classifier: Classifier, name: str | None) -> None:
        self._classifier = classifier
        self._name = name or _own(classifier)
        find_layer(classifier.net, self._name)

    def maps(self, frames: Frames) -> Maps:
        """Features, without a gradient.

        Raises:
            ConfigError: If the layer's output is no feature map of the clip.
        """
        with torch.no_grad():
            _, output = self._pass(frames)
        return self._unfolded(output, len(frames))

    def maps_and_slopes(
        self, frames: Frames, target: Targets, score: ScoreName
    ) -> tuple[Maps, Maps]:
        """Features, and how the target's score changes with each of them.

        Raises:
            ConfigError: If the layer's output is no feature map of the clip.
        """
        with torch.enable_grad():
            logits, output = self._pass(frames.detach().requires_grad_())
        gradient = self._gradient(SCORES[score](logits, target).sum(), output)
        count = len(frames)
        return self._unfolded(output.detach(), count), self._unfolded(gradient, count)

    def _pass(self, frames: Frames) -> tuple[Logits, Tensor]:
        """The network's answer, and what the layer gave on the way."""
        with capture(self._classifier.net, self._name) as outputs:
            logits = self._classifier(frames)
        if len(outputs) != 1:
            message = f"layer {self._name!r} is used {len(outputs)} times in a pass: {_ANOTHER}"
            raise ConfigError(message)
        return logits, outputs[0]

    def _gradient(self, score: Tensor, output: Tensor) -> Tensor:
        found: tuple[Tensor | None, ...] = torch.autograd.grad(score, output, allow_unused=True)
        if found[0] is None:
            message = f"the score does not depend on layer {self._name!r}: {_ANOTHER}"
            raise ConfigError(message)
        return found[0]

    def _unfolded(self, features: Tensor, batch: int) -> Maps:
        try:
            return self._classifier.unfold_cam(features, batch)
        except EinopsError as error:
            message = (
                f"layer {self._name!r} gives {tuple(features.shape)}, which is no feature map of "
                f"the clip as {self._classifier.cam_layout!r}: {_ANOTHER}, or "
                "model.cam_layout=<its axes>"
            )
            raise ConfigError(message) from error


def _own(classifier: Classifier) -> str:
    if classifier.cam_layer is None:
        known = ", ".join(name for name, _ in classifier.net.named_children())
        message = (
            "a class activation map needs a layer and this model names none: give "
            f"method.layer=<name> of a convolution in the network, whose top layers are {known}"
        )
        raise UnsupportedPairError(message)
    return classifier.cam_layer


def positive_sum(weights: Float[Tensor, "b channel *one"], maps: Maps) -> Cam:
    """Feature maps, each times its weight, summed; positive part."""
    return (weights * maps).sum(dim=1, keepdim=True).relu()


def enlarged(maps: Maps, size: Sequence[int]) -> Float[Tensor, "b channel t h w"]:
    """Maps of a clip's ``size``, linearly in time, height and width."""
    return F.interpolate(maps, list(size), mode="trilinear")


def attribute_cams(
    clips: Clips, target: Targets, batch_size: int, make: Callable[[Frames, Targets], Cam]
) -> Attribution:
    """Make a map of each clip, ``batch_size`` clips at a time, and enlarge it.

    Args:
        clips: What is explained.
        target: The class of each clip.
        batch_size: Clips that ``make`` is given at once.
        make: The map of each clip, in a layer's own size.
    """
    size = clips.frames.shape[2:]
    values = clips.frames.new_empty(len(clips), 1, *size)

    def run(part: slice) -> None:
        values[part] = enlarged(make(clips.frames[part], target[part]), size)

    Chunks(batch_size)(len(clips), run)
    return Attribution(values[None], target, signed=False)
