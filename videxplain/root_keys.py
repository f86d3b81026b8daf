"""Types and ranges of the root keys that no part of the configuration checks."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from videxplain.errors import ConfigError, unknown_name
from videxplain.words import Polarity, Precision

_NAMED = {
    "polarity": get_args(Polarity),
    "precision": get_args(Precision),
}
_OPTIONAL_TEXT = (str, type(None))
_TYPES: tuple[tuple[str, type | tuple[type, ...], str], ...] = (
    ("videos_dir", _OPTIONAL_TEXT, "a path; quote one that is a number"),
    ("outputs_dir", str, "a path; quote one that is a number"),
    ("weights", str, "auto, random, a published name, or a path"),
    ("weights_dir", _OPTIONAL_TEXT, "a path"),
    ("device", str, "auto, cuda, cpu, mps, or cuda:<number>"),
    ("overwrite", bool, "true or false"),
    ("report", bool, "true or false"),
    (
        "optimizer",
        dict,
        "its keys, as in optimizer.learning_rate=0.1; perturb=paper or perturb=quick chooses one",
    ),
)
_MOST = 10**6
"""Threads or clips at once: more than any machine has room for."""
_LABEL = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,80}")


def check_plain(value: object, where: str = "") -> None:
    """Refuse what JSON does not have, as YAML's tags can give.

    Args:
        value: All of a configuration, or a part.
        where: The keys that lead to it, each with a dot behind.

    Raises:
        ConfigError: With the key.
    """
    if isinstance(value, Mapping):
        for key, each in value.items():
            check_plain(each, f"{where}{key}.")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            check_plain(each, f"{where}{index}.")
    elif value is not None and not (isinstance(value, (int, float)) or _is_text(value)):
        message = f"{where[:-1]}={value!r}: give text, a number, true, false or null"
        raise ConfigError(message)


def canonical(value: object) -> str:
    """Text that is equal for parts of a configuration that are, read back from a result too.

    Args:
        value: Plain values; keys of a file may be numbers, which JSON makes text.
    """
    return json.dumps(json.loads(json.dumps(value)), sort_keys=True)


def check_values(plain: Mapping[Any, Any]) -> None:
    """Types and ranges of the root keys that no part of the configuration checks.

    Raises:
        ConfigError: If one cannot be used.
    """
    for key, kinds, allowed in _TYPES:
        if not isinstance(plain[key], kinds):
            message = f"{key}={plain[key]!r}: give {allowed}"
            raise ConfigError(message)
    if not _is_whole(plain["seed"]):
        message = f"seed={plain['seed']!r}: give a whole number"
        raise ConfigError(message)
    for key in ("batch_size", "threads"):
        value = plain[key]
        optional = key == "threads" and value is None
        if not optional and not (_is_whole(value) and 1 <= value <= _MOST):
            message = f"{key}={value!r}: give a whole number, at least 1 and at most {_MOST}"
            raise ConfigError(message)
    if not isinstance(plain["target"], str) and not _is_whole(plain["target"]):
        message = f"target={plain['target']!r}: give label, predicted, a class name or an index"
        raise ConfigError(message)
    label = plain["save_label"]
    if label is not None and not _LABEL.fullmatch(str(label)):
        message = f"save_label={label!r}: use letters, digits, '.', '_' and '-'"
        raise ConfigError(message)
    _check_named(plain)


def plugin_names(given: Any) -> list[str]:  # noqa: ANN401
    """Packages of the user's own, from a list.

    Raises:
        ConfigError: If it is none.
    """
    if isinstance(given, str) or not isinstance(given, Sequence):
        message = f"plugins={given!r}: give a list, as in plugins=[mynets]"
        raise ConfigError(message)
    return [str(each) for each in given]


def map_areas(given: Any) -> list[float]:  # noqa: ANN401
    """Areas as a list, from one, several or none.

    Raises:
        ConfigError: If they are none.
    """
    areas = given if isinstance(given, list) else [] if given is None else [given]
    known = all(isinstance(area, (int, float)) and 0 < area < 1 for area in areas)
    if known and len(set(areas)) == len(areas):
        return [float(area) for area in areas]
    message = f"map_area={given!r}: give shares between 0 and 1, each once, as in [0.05,0.1]"
    raise ConfigError(message)


def _is_text(value: object) -> bool:
    """Whether it can be written; bytes of a path that are no text are escaped."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _is_whole(value: Any) -> bool:  # noqa: ANN401
    """Whether it is a whole number; ``true`` and ``false`` are none, though Python counts them."""
    return isinstance(value, int) and not isinstance(value, bool)


def _check_named(plain: Mapping[Any, Any]) -> None:
    """Root keys that take one of a few words."""
    for key, allowed in _NAMED.items():
        if plain[key] not in allowed:
            raise ConfigError(unknown_name(key, str(plain[key]), allowed))
