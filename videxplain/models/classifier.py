"""A network together with the preprocessing its weights were trained with."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from typing import Literal, get_args

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import nn

from videxplain import targets
from videxplain.chunks import told_once
from videxplain.devices import without_cudnn
from videxplain.errors import ConfigError, unknown_name
from videxplain.hooks import find_layer
from videxplain.models.acceleration import Accelerated
from videxplain.models.extents import described
from videxplain.models.preprocessing import Size, as_batch, fit_pixels, fit_truth, normalise
from videxplain.sampling import RULES, Rule, sample
from videxplain.targets import class_index, known_label, label_index
from videxplain.types import NO_LABEL, Clips, Frames, Logits, Video
from videxplain.words import Precision

Layout = Literal["b c t h w", "b t c h w"]
"""Axes of a network's input."""

_SIDES = 2
_AXES = 5
_COLOURS = 3
KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)


class VideoClassifier(nn.Module):
    """Freeze a network once, so that no method has to touch its mode or its parameters.

    Args:
        net: Maps clips to logits ``b k``, on its device; set to evaluation mode, and frozen.
        frames: Frames of a clip.
        size: Height and width of a clip in pixels.
        mean: Mean colour of the training clips, RGB in [0, 1].
        std: Standard deviation of the same.
        class_names: One a logit; None numbers them when the first clip is seen.
        cam_layer: Dotted name of the last layer with positions in space, for Grad-CAM.
        cam_layout: Axes of that layer's output, in einops notation.
        resize: Size before the centre crop: the shorter side, (height, width), or None for the
            smallest size that covers ``size``.
        sampling: Which frames of a video are seen: ``uniform``, ``center``, ``dense``,
            ``published``.
        stride: Frames between two samples of ``dense``.
        layout: Axes of the network's input; clips are ``b c t h w`` here whatever it is.
        weights_sha256: Digest of the weights file; None computes one from the parameters.

    Raises:
        LayerNotFoundError: If ``net`` has no ``cam_layer``.
        ConfigError: If a value cannot be used.
    """

    def __init__(  # noqa: PLR0913
        self,
        net: nn.Module,
        *,
        frames: int = 16,
        size: Size = (112, 112),
        mean: Sequence[float] = KINETICS_MEAN,
        std: Sequence[float] = KINETICS_STD,
        class_names: Sequence[str] | None = None,
        cam_layer: str | None = None,
        cam_layout: str = "b c t h w",
        resize: int | Size | None = None,
        sampling: Rule = "uniform",
        stride: int = 2,
        layout: Layout = "b c t h w",
        weights_sha256: str | None = None,
    ) -> None:
        super().__init__()
        self.net = net.eval().requires_grad_(False)
        self._accelerated = Accelerated()
        self.frames = frames
        self.size = size
        self.resize = tuple(resize) if isinstance(resize, list) else resize
        self.sampling: Rule = sampling
        self.stride = stride
        self.layout = layout
        self._precision: Precision = "float32"
        self.cam_layer = cam_layer
        self.cam_layout = cam_layout
        self._class_names = tuple(class_names) if class_names is not None else None
        self._weights_sha256 = weights_sha256
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))
        self._recurs = any(isinstance(module, nn.RNNBase) for module in net.modules())
        if cam_layer is not None:
            find_layer(net, cam_layer)
        self._check_values()
        device = next((each.device for each in net.parameters()), self.device)
        self.mean, self.std = self.mean.to(device), self.std.to(device)
        self.eval()

    def forward(self, frames: Frames) -> Logits:
        """Class scores of a batch ``b c t h w``, normalised as `preprocess` does.

        Raises:
            ConfigError: If ``frames`` has other axes.
        """
        return self._ask(self.net, frames)

    def accelerated(self, frames: Frames) -> Logits:
        """The same, for those who ask many times.

        The first call prepares, which takes two or three passes, and later ones are quicker. Logits
        agree to rounding. Gradients do so in float64; in float32, where an activation lies so near
        zero that rounding decides its side, they differ as they do between two machines.

        Raises:
            ConfigError: If ``frames`` has other axes.
        """
        return self._ask(partial(self._accelerated, self.net), frames)

    def _ask(self, net: Callable[[torch.Tensor], torch.Tensor], frames: Frames) -> Logits:
        if frames.dim() != _AXES or frames.shape[1] != _COLOURS:
            message = (
                f"frames of shape {tuple(frames.shape)}: give a batch b c t h w with 3 colours, "
                "whatever the network's own layout is"
            )
            raise ConfigError(message)
        # a copy: a first layer that works in place must not change the caller's frames
        shaped = rearrange(frames, f"b c t h w -> {self.layout}").clone()
        # cuDNN cannot differentiate a recurrent layer in evaluation mode
        with without_cudnn() if self._recurs else nullcontext(), self._mixed():
            return net(shaped).to(frames)

    def _mixed(self) -> AbstractContextManager[object]:
        if self._precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    @property
    def precision(self) -> Precision:
        """What the network computes in; set ``bfloat16`` where that is quicker.

        Clips, masks and attributions keep their own type. See ``torch.autocast``.
        """
        return self._precision

    @precision.setter
    def precision(self, chosen: Precision) -> None:
        if chosen not in get_args(Precision):
            raise ConfigError(unknown_name("precision", str(chosen), get_args(Precision)))
        self._precision = chosen

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.mean.device

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """One name a logit.

        Raises:
            ConfigError: If they must be counted, and the network breaks on a blank clip.
        """
        if self._class_names is not None:
            return self._class_names
        try:
            with torch.no_grad():
                count = self(self.blank_clip()).shape[1]
        except Exception as error:  # whatever somebody's network raises
            message = (
                "the network breaks on a blank clip of "
                f"{described((self.frames, *self.size))}, given as {self.layout} "
                f"({type(error).__name__}: {error}): set frames, size and layout as it needs them"
            )
            raise ConfigError(message) from error
        return tuple(f"class {index}" for index in range(count))

    @cached_property
    def weights_sha256(self) -> str:
        """What tells these weights from others: the file's digest, else the parameters'."""
        if self._weights_sha256 is not None:
            return self._weights_sha256
        digest = hashlib.sha256()
        for name, value in sorted(self.net.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()

    def preprocess(self, videos: Video | Sequence[Video]) -> Clips:
        """Choose frames, resize, crop and normalise; videos become one batch.

        Args:
            videos: One or several.

        Raises:
            ConfigError: If they are no videos.
            DataError: If a video cannot be read.
        """
        batch = as_batch(videos)
        chosen = [self._read(video) for video in batch]
        pixels = np.stack([pictures for pictures, _ in chosen])
        masks = [mask for _, mask in chosen if mask is not None]
        with told_once(targets.log):
            labels = [self._label(video) for video in batch]
        colours = torch.from_numpy(pixels).to(self.device).float()
        return Clips(
            frames=normalise(colours, self.mean, self.std),
            labels=torch.tensor(labels, device=self.device),
            names=tuple(video.name for video in batch),
            pixels=pixels,
            truth=torch.stack(masks).to(self.device) if len(masks) == len(batch) else None,
        )

    def blank_clip(self) -> Frames:
        """One clip of ``frames`` and ``size``, where the network is, every pixel of mean colour."""
        return self.mean.new_zeros(1, _COLOURS, self.frames, *self.size)

    def black(self, frames: Frames) -> Frames:
        """The same clips with every pixel black, in the network's normalised colours."""
        level = (-self.mean / self.std).to(frames)
        return level[:, None, None, None].expand_as(frames)

    def class_index(self, name: str | int) -> int:
        """Index of a class by its name or number; case, ``_:-`` and spaces do not matter.

        Raises:
            ConfigError: If there is no such class; the nearest ones are named.
        """
        return class_index(name, self.class_names)

    def label_index(self, video: Video) -> int | None:
        """Index of a video's own class, None where it has none.

        Raises:
            DataError: If its label is none of the network's classes.
        """
        return None if video.label is None else label_index(video, self.class_names)

    def unfold_cam(self, features: torch.Tensor, batch: int) -> Float[torch.Tensor, "b c t h w"]:
        """Bring what ``cam_layer`` gives for a batch of clips to its axes.

        Args:
            features: The layer's output.
            batch: Number of clips.
        """
        return rearrange(features, f"{self.cam_layout} -> b c t h w", b=batch)

    def _label(self, video: Video) -> int:
        # a network is asked for its classes only where there is a label
        known = video.label is not None
        return known_label(video, self.class_names) if known else NO_LABEL

    def _read(self, video: Video) -> tuple[np.ndarray, torch.Tensor | None]:
        indices = sample(
            self.sampling, video.length, self.frames, stride=self.stride, name=video.name
        )
        ascending = sorted(set(indices))
        places = [ascending.index(index) for index in indices]
        pictures = fit_pixels(video.read(ascending)[places], self.resize, self.size)
        if video.read_truth is None:
            return pictures, None
        truth = video.read_truth(ascending)[places]
        return pictures, fit_truth(truth, self.resize, self.size)

    def _check_values(self) -> None:
        """Refuse what would fail late, or give wrong clips in silence."""
        wanted = {
            "frames and size": self.frames >= 1
            and isinstance(self.size, Sequence)
            and len(self.size) == _SIDES
            and min(self.size) >= 1,
            "three mean and std, std above 0": self.mean.shape == self.std.shape == (3,)
            and bool((self.std > 0).all()),
            f"sampling of {', '.join(RULES)}": self.sampling in RULES and self.stride >= 1,
            f"layout of {', '.join(get_args(Layout))}": self.layout in get_args(Layout),
            "a resize that covers size": self._covers(),
        }
        for what, holds in wanted.items():
            if not holds:
                message = f"a VideoClassifier needs {what}: see its arguments"
                raise ConfigError(message)

    def _covers(self) -> bool:
        if self.resize is None or not isinstance(self.size, Sequence):
            return True
        shorter = (self.resize, self.resize) if isinstance(self.resize, int) else self.resize
        return all(given >= side for given, side in zip(shorter, self.size, strict=False))
