"""What a batch of clips may be made of."""

from collections.abc import Mapping

from torch import Tensor

from videxplain.errors import ConfigError

_AXES = ("b", "c", "t", "h", "w")
_COLOURS = 3


def check_frames(frames: object) -> None:
    """Refuse what is no batch of clips, such as one clip, or an array.

    Raises:
        ConfigError: With what it is.
    """
    if not isinstance(frames, Tensor):
        kind = f"a {type(frames).__name__}"
    elif frames.ndim != len(_AXES) or not frames.is_floating_point():
        kind = f"{frames.dtype} of shape {tuple(frames.shape)}"
    else:
        return
    message = (
        f"frames is {kind}: give a float tensor {' '.join(_AXES)} of the network's normalised "
        "colours, or let classifier.preprocess make clips of videos"
    )
    raise ConfigError(message)


def check_parts(parts: Mapping[str, object], shape: tuple[int, ...]) -> None:
    """Refuse what does not go with the frames.

    Args:
        parts: ``labels``, ``pixels`` and ``truth``, each an array or None.
        shape: Of the frames, ``b c t h w``.

    Raises:
        ConfigError: If one is not of as many clips, or of another size.
    """
    each = (shape[0], *shape[2:])
    wanted = {"labels": shape[:1], "pixels": (*each, _COLOURS), "truth": each}
    for name, part in parts.items():
        found = getattr(part, "shape", None)
        if part is not None and found != wanted[name]:
            kind = f"type {type(part).__name__}" if found is None else f"shape {tuple(found)}"
            given = f"{name} of {kind} for frames of shape {shape}"
            message = f"{given}: give an array of {wanted[name]}, or none"
            raise ConfigError(message)
