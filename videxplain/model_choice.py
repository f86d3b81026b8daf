"""What a model's data set and weights decide. Imports no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from videxplain.errors import ConfigError, UnsupportedPairError, WeightsError

Section = Mapping[str, Any]
"""One resolved part of a configuration."""


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
        ConfigError: If ``weights`` names a checkpoint of another data set.
        WeightsError: If it is no name and no file.
    """
    known = model.get("checkpoints", {})
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
    return bool(path) and Path(path).expanduser().exists()


def _trained_with(model: Section, fitting: Section, weights: str) -> Section:
    files: dict[str | None, Section] = {}
    for each in fitting.values():
        files |= dict.fromkeys((each.get("file"), each["url"].rsplit("/", 1)[1]), each)
    chosen = fitting.get(weights) or files.get(Path(weights).name)
    settings: Section | None = (
        chosen.get("trained_with") if chosen is not None else model.get("otherwise")
    )
    return settings or {}
