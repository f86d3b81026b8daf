"""Keys and their values: which choices have one, and what it can hold."""

from collections.abc import Iterable, Mapping

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from videxplain import catalog
from videxplain.errors import ConfigError, unknown_name

_RECIPES = "perturb"
"""The group whose files set root keys."""
_INTERNAL = ("_target_", "choose")
"""Keys that are not the user's to change."""


def names_with(group: str, key: str) -> list[str]:
    """The choices of a group whose file has a key.

    Args:
        group: Folder of conf/.
        key: Its name there, ``score`` or ``terms.area``.
    """
    return [name for name in catalog.names(group) if _has(_file(group, name), key)]


def choices_with(key: str) -> list[str]:
    """The choices that have a key, as ``group=name``.

    Args:
        key: Its whole name, ``method.score`` or ``optimizer.betas``.
    """
    first, _, rest = key.partition(".")
    group, name = (first, rest) if catalog.names(first) else (_RECIPES, key)
    return [f"{group}={choice}" for choice in names_with(group, name)]


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Say that a key is unknown: the nearest ones, the list of all, and which choices have it.

    Args:
        key: Its whole name.
        known: The names allowed in its place.
    """
    where, _, name = key.rpartition(".")
    kind, own = f"key of {where}" if where else "key", _changeable(known)
    others = choices_with(key)
    have = f"; {', '.join(others)} {'has' if len(others) == 1 else 'have'} it" if others else ""
    told = unknown_name(kind, name, own) if own else f"unknown {kind} {name!r}: it has no keys"
    return told + have


def unknown_to_auto(key: str) -> str:
    """Say which data has a key that ``data=auto``, which chooses one, has not.

    Args:
        key: Its whole name.
    """
    group, _, name = key.partition(".")
    others = choices_with(key)
    if others:
        return f"{key} is no key of data=auto: add {' or '.join(others)}"
    every = [each for choice in catalog.names(group) for each in _file(group, choice)]
    return unknown_name(f"key of {group}", name, dict.fromkeys(_changeable(every)))


def _changeable(names: Iterable[str]) -> list[str]:
    return [each for each in names if each not in _INTERNAL]


def _file(group: str, name: str) -> dict[str, object]:
    return catalog.plain_values(OmegaConf.create(catalog.text(group, name)))


def _has(part: object, key: str) -> bool:
    for step in key.split("."):
        if not isinstance(part, Mapping) or step not in part:
            return False
        part = part[step]
    return True


def plain(changes: Mapping[str, object]) -> dict[str, object]:
    """Values that a configuration can hold: NumPy's and PyTorch's numbers become Python's.

    Args:
        changes: By their keys.

    Raises:
        ConfigError: If one is something else.
    """
    found = {key: _plain(value) for key, value in changes.items()}
    for key, value in found.items():
        try:
            OmegaConf.create({key: value})
        except OmegaConfBaseException as error:
            message = f"{key}={value!r}: give numbers, texts, or lists and mappings of these"
            raise ConfigError(message) from error
    return found


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.tolist() if hasattr(value, "tolist") else value
