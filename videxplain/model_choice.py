"""What a model's data set and weights decide. Imports no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from videxplain.errors import ConfigError, UnsupportedPairError, WeightsError
from videxplain.models.checkpoints import Checkpoint
from videxplain.paths import given_path
from videxplain.pydantic_words import in_our_words

DECLARED = ("pretrain_datasets", "checkpoints", "otherwise")
"""Keys that describe a choice and are not arguments of its target."""
Section = Mapping[str, Any]
"""One resolved part of a configuration."""
_CHECKPOINTS = TypeAdapter(dict[str, Checkpoint])


def check_pair(name: str, model: Section, pretrain_dataset: str) -> None:
    """Refuse a data set that the model has no weights for.

    Args:
        name: Of the model.
        model: Its section.
        pretrain_dataset: The data set asked for.

    Raises:
        UnsupportedPairError: With the data sets that are possible.
    """
    possible = list(model["pretrain_datasets"])
    if pretrain_dataset not in possible:
        message = (
            f"pretrain_dataset={pretrain_dataset} does not go with model={name}: "
            f"choose {' or '.join(possible)}"
        )
        raise UnsupportedPairError(message)


def choose_weights(model: Section) -> Section:
    """Decide what follows from ``weights``, so that a configuration says which file it means.

    ``auto`` becomes the name of the data set's first checkpoint, a name brings its ``checkpoint``,
    and keys that are null take what the weights were trained with: those of the checkpoint, also
    where a path ends in its file's name, else the model's ``otherwise``.

    Args:
        model: A section with ``checkpoints``; another one is returned as it is.

    Raises:
        ConfigError: If ``weights`` names a checkpoint of another data set, or ``checkpoints`` are
            none.
        WeightsError: If it is no name and no file.
    """
    known = model.get("checkpoints", {})
    with in_our_words("model.checkpoints"):
        _CHECKPOINTS.validate_python(known)
    dataset = model.get("pretrain_dataset")
    fitting = {name: each for name, each in known.items() if dataset in each["pretrain_datasets"]}
    if not fitting:
        return model
    weights = str(model["weights"]).strip()
    if weights in known and weights not in fitting:
        message = (
            f"weights={weights} are not those of pretrain_dataset={dataset}: "
            f"choose {', '.join(fitting)}, auto, random, or a path"
        )
        raise ConfigError(message)
    if weights not in (*fitting, "auto", "random") and not _exists(weights):
        message = (
            f"weights={weights} is neither a file nor a name: choose {', '.join(fitting)}, auto, "
            "random, or the path of a weights file"
        )
        raise WeightsError(message)
    first = next(iter(fitting))
    weights = first if weights == "auto" else weights
    trained_with = _trained_with(model, fitting, first if weights == "random" else weights)
    filled = {
        key: trained_with.get(key) if value is None else value for key, value in model.items()
    }
    return {**filled, "weights": weights, "checkpoint": fitting.get(weights)}


def _exists(path: str) -> bool:
    return bool(path) and given_path(path).exists()


def _trained_with(model: Section, fitting: Section, weights: str) -> Section:
    files: dict[str | None, Section] = {}
    for each in fitting.values():
        files |= dict.fromkeys((each.get("file"), each["url"].rsplit("/", 1)[1]), each)
    chosen = fitting.get(weights) or files.get(Path(weights).name)
    settings: Section | None = (
        chosen.get("trained_with") if chosen is not None else model.get("otherwise")
    )
    return settings or {}
