"""The nouns of the package: what flows between its parts.

Axes, everywhere and in this order: ``a`` area, ``b`` clip in the batch, ``c`` colour channel,
``t`` frame, ``h`` row, ``w`` column, ``k`` class, ``i`` iteration.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, get_args, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from videxplain.clip_parts import check_frames, check_parts
from videxplain.errors import ConfigError, unknown_name
from videxplain.words import Polarity, counted, first_of

Frames = Float[Tensor, "b c t h w"]
"""Network input in the network's normalised colours."""
Pixels = UInt8[np.ndarray, "b t h w c"]
"""The same clips as RGB pictures, 0 to 255, cropped as the network sees them."""
Truth = Bool[Tensor, "b t h w"]
"""The pixels that are the evidence, where that is known."""
Logits = Float[Tensor, "b k"]
"""Class scores before the softmax."""
Targets = Int[Tensor, "b"]
"""The class explained, one index a clip."""
Scores = Float[Tensor, "b"]
"""One number a clip."""
Measure = Float[Tensor, "a b"]
"""One number an area and clip."""
Saliency = Float[Tensor, "a b t h w"]
"""Importance of a pixel, at least 0, channels reduced."""

VideoFrames = UInt8[np.ndarray, "t h w c"]
"""Frames of a decoded video, RGB, 0 to 255."""
NO_LABEL = -1
"""Index in ``Clips.labels`` of a clip whose class is not known."""


@dataclass(frozen=True)
class Video:
    """A decoded file that is read only when and where it is needed.

    Attributes:
        name: Unique in its data source.
        length: Number of frames.
        read: Gives the frames at the indices (ascending, 0 to ``length - 1``).
        label: Class name or index, None where unknown.
        read_truth: Gives the evidence ``t h w`` at the same indices, where it is known.
    """

    name: str
    length: int
    read: Callable[[Sequence[int]], VideoFrames]
    label: str | int | None = None
    read_truth: Callable[[Sequence[int]], Bool[np.ndarray, "t h w"]] | None = None


@dataclass(frozen=True, repr=False)
class Clips:
    """A batch of network inputs.

    Attributes:
        frames: Colours ``b c t h w`` as the network takes them: RGB in [0, 1], less the mean of
            its training clips, divided by their standard deviation.
        labels: Class indices, ``NO_LABEL`` where unknown; None where no clip has one.
        names: One identifier a clip, unique in its data source; numbered where none are given.
        pixels: The pictures behind ``frames``; None for clips made from tensors.
        truth: The pixels that are the evidence, where that is known.

    Raises:
        ConfigError: If ``frames`` is no such tensor, or a part is not of as many clips, or not of
            the size, of ``frames``.
    """

    frames: Frames
    labels: Targets | None = None
    names: tuple[str, ...] = ()
    pixels: Pixels | None = None
    truth: Truth | None = None

    def __post_init__(self) -> None:
        check_frames(self.frames)
        count = self.frames.shape[0]
        if not self.names:
            object.__setattr__(self, "names", tuple(f"clip-{i:04d}" for i in range(count)))
        if len(self.names) != count:
            names, clips = counted(len(self.names), "name"), counted(count, "clip")
            message = f"{names} for {clips}: give one name a clip, or none"
            raise ConfigError(message)
        parts = {"labels": self.labels, "pixels": self.pixels, "truth": self.truth}
        check_parts(parts, tuple(self.frames.shape))

    def __repr__(self) -> str:
        """Names and shape; the numbers would fill a screen."""
        return f"Clips({first_of(self.names)}: b c t h w = {tuple(self.frames.shape)})"

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.names)

    def label(self, index: int) -> int | None:
        """Class index of a clip, None where unknown."""
        if self.labels is None or int(self.labels[index]) == NO_LABEL:
            return None
        return int(self.labels[index])


@dataclass(frozen=True, repr=False)
class Attribution:
    """What a method says about a batch of clips.

    Attributes:
        values: Contribution of every input element (``c == 3``), or of every pixel (``c == 1``:
            masks, which lie in [0, 1], class activation maps, occlusion). Signed where the method
            is.
        target: The class explained, one a clip.
        areas: Share of the clip that each mask keeps, in (0, 1); None where the method has no
            areas, then ``a == 1``.
        curves: Diagnostics over iterations ``a b i``, NaN after an early stop.
        signed: Whether values below zero speak against the target; masks never have a sign.
    """

    values: Float[Tensor, "a b c t h w"]
    target: Targets
    areas: tuple[float, ...] | None = None
    curves: Mapping[str, Float[Tensor, "a b i"]] = field(default_factory=dict)
    signed: bool = True

    def __repr__(self) -> str:
        """Shape, classes and areas; the numbers would fill a screen."""
        return (
            f"Attribution(a b c t h w = {tuple(self.values.shape)}, "
            f"target={self.target.tolist()}, areas={self.areas})"
        )

    def saliency(self, polarity: Polarity = "positive") -> Saliency:
        """Clamp each channel to the polarity, then average over channels.

        What has no sign (masks, class activation maps) is the same for every polarity.

        Args:
            polarity: ``positive`` takes max(v, 0), ``negative`` max(-v, 0), ``both`` abs(v).

        Raises:
            ConfigError: If it is none of these.
        """
        if polarity not in get_args(Polarity):
            raise ConfigError(unknown_name("polarity", polarity, get_args(Polarity)))
        if polarity == "both":
            return self.values.abs().mean(dim=2)
        flipped = polarity == "negative" and self.signed and self.areas is None
        return (-self.values if flipped else self.values).clamp_min(0).mean(dim=2)


@dataclass(frozen=True)
class Record:
    """One row of the results: a clip explained at one area.

    Attributes:
        clip: Name of the clip.
        area: Share of the clip the mask keeps; None for a method without areas.
        label: Name of the clip's class, None where unknown.
        target: Name of the class explained.
        prediction: Name of the network's first choice for the whole clip.
        probability: Probability of the target for the whole clip.
        metrics: Value of each metric; NaN where it does not apply.
        curves: Of the metrics that have one: ``shares`` from 0 to 1, and ``values`` there.
    """

    clip: str
    area: float | None
    label: str | None
    target: str
    prediction: str
    probability: float
    metrics: Mapping[str, float]
    curves: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)

    def measured_by(self, names: Sequence[str]) -> "Record":
        """The same with these metrics alone, of which it has all."""
        curves = {name: curve for name, curve in self.curves.items() if name in names}
        return replace(self, metrics={name: self.metrics[name] for name in names}, curves=curves)


class Cost(NamedTuple):
    """Passes through the network for one clip.

    Attributes:
        forward: From the input to the logits.
        backward: From the logits back.
    """

    forward: int
    backward: int


Network = Callable[[Frames], Logits]
"""Class scores of a batch ``b c t h w``."""


@runtime_checkable
class Classifier(Protocol):
    """A frozen network in evaluation mode, with what explaining it needs to know."""

    net: nn.Module
    cam_layer: str | None
    cam_layout: str

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name a logit."""

    def class_index(self, name: str | int) -> int:
        """Index of a class by its name."""

    def __call__(self, frames: Frames) -> Logits:
        """Class scores of a batch, from ``b c t h w`` whatever the network's own layout."""

    def preprocess(self, videos: Video | Sequence[Video]) -> Clips:
        """Choose frames, resize, crop and normalise."""

    def blank_clip(self) -> Frames:
        """One clip of the network's own size, on its device, all zeros."""

    def black(self, frames: Frames) -> Frames:
        """The same clips with every pixel black, in the network's normalised colours."""

    def unfold_cam(self, features: Tensor, batch: int) -> Float[Tensor, "b c t h w"]:
        """What a layer like ``cam_layer`` gives for a batch of clips, in these axes."""


@runtime_checkable
class Explainer(Protocol):
    """An attribution method with its hyper-parameters; calling it changes nothing.

    Attributes:
        signed: Values below zero speak against the target.
        complete: Values add up to the score's rise over the baseline.
        deterministic: No chance is involved; else ``seed`` decides.
        citation: Who published it, where.
    """

    signed: ClassVar[bool]
    complete: ClassVar[bool]
    deterministic: ClassVar[bool]
    citation: ClassVar[str]

    @property
    def cost(self) -> Cost:
        """Passes through the network that explaining one clip takes."""

    def __call__(self, classifier: Classifier, clips: Clips, target: Targets) -> Attribution:
        """Attribute the score of ``target`` to the pixels of ``clips``."""


@runtime_checkable
class Choosy(Protocol):
    """A method that not every network suits."""

    def check(self, classifier: Classifier) -> None:
        """Refuse a network before anything is computed.

        Raises:
            UnsupportedPairError: If the method cannot explain it.
        """


@runtime_checkable
class Logger(Protocol):
    """Opens a sink for each job."""

    def start(self, folder: Path, config: Mapping[str, Any], group: str | None) -> "LoggedRun":
        """Begin the log of a job: its folder, its configuration, the sweep it belongs to."""


@runtime_checkable
class Sink(Protocol):
    """Where results go."""

    def write(self, records: Sequence[Record], clips: Clips, attribution: Attribution) -> None:
        """Keep the results of a batch: ``a * b`` records, the areas of a clip together."""

    def close(self, outcome: Mapping[str, object]) -> None:
        """Keep what is known of the whole job, and release."""


@runtime_checkable
class LoggedRun(Sink, Protocol):
    """A sink that must be told when the job ends."""

    def end(self, *, failed: bool) -> None:
        """Release, whether or not the job did its work."""
