"""From values to objects: what a ``_target_`` may be, and what it makes.

A ``_target_`` names a class or function of this package, or of a package in ``plugins``; anything
else is refused before it is imported. This module itself imports no torch.
"""

import difflib
import importlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import packages_distributions
from typing import Any

from videxplain.errors import ConfigError, UnknownKeyError, unknown_name
from videxplain.model_choice import DECLARED
from videxplain.pydantic_words import in_our_words

PACKAGE = "videxplain"
_TARGET = "_target_"
_PARTS = ("data", "methods", "metrics", "models", "sinks")
"""Packages in which a ``_target_`` may lie."""
_HELPERS = (
    *(f"videxplain.data.{each}" for each in ("decoder", "decoder_process")),
    *(f"videxplain.models.{each}" for each in ("build", "checkpoints", "fetch", "weights")),
    *(f"videxplain.sinks.{each}" for each in ("arrays", "disk", "files", "locks", "places")),
    *(f"videxplain.sinks.{each}" for each in ("pixels", "shards", "stored", "sweep_folder")),
)
"""Modules there that reach for files and servers; no configuration may call them."""


def build(part: Any, where: str, plugins: Sequence[str] = ()) -> Any:  # noqa: ANN401
    """Make the object that a part of the configuration describes.

    Args:
        part: Plain values; mappings with a ``_target_`` become what that makes of the rest.
        where: What messages call the part.
        plugins: Packages besides this one that a ``_target_`` may name.

    Raises:
        ConfigError: If a target may not be named or does not exist, or refuses its arguments.
    """
    _check_targets(part, where, plugins)
    return _build(part, where)


def _build(part: Any, where: str) -> Any:  # noqa: ANN401
    if isinstance(part, Mapping):
        made = {
            key: _build(value, f"{where}.{key}")
            for key, value in part.items()
            if key != _TARGET and not (key in DECLARED and _TARGET in part)
        }
        return _call(_locate(part[_TARGET], where), made, where) if _TARGET in part else made
    if isinstance(part, (list, tuple)):
        return [_build(value, f"{where}.{index}") for index, value in enumerate(part)]
    return part


def _call(target: Any, arguments: dict[str, Any], where: str) -> Any:  # noqa: ANN401
    every = inspect.signature(target).parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in every.values())
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = {key: each for key, each in every.items() if each.kind in named}
    for key in arguments:
        if key not in known and not takes_any:
            told = unknown_name(f"key of {where}", str(key), known)
            raise UnknownKeyError(told, f"{where}.{key}")
    missing = [
        key for key, each in known.items() if each.default is each.empty and key not in arguments
    ]
    if missing:
        message = f"{where}.{missing[0]} has no value: give {where}.{missing[0]}=<value>"
        raise ConfigError(message)
    with in_our_words(where):
        return target(**arguments)


def _check_targets(part: Any, where: str, plugins: Sequence[str]) -> None:  # noqa: ANN401
    if isinstance(part, Mapping):
        if _TARGET in part:
            _check_target(part[_TARGET], where, plugins)
        for key, value in part.items():
            _check_targets(value, f"{where}.{key}", plugins)
    elif isinstance(part, (list, tuple)):
        for value in part:
            _check_targets(value, where, plugins)


def _check_target(target: object, where: str, plugins: Sequence[str]) -> None:
    package, allowed = str(target).partition(".")[0], (PACKAGE, *plugins)
    if not isinstance(target, str) or "." not in target:
        message = f"{where}._target_={target!r}: name a function or class as <module>.<name>"
        raise ConfigError(message)
    if package == PACKAGE and not _is_part(target):
        message = (
            f"{where}._target_={target!r} is no part to choose: name a class or function of "
            f"{', '.join(_PARTS)}"
        )
        raise ConfigError(message)
    if package not in allowed:
        rule = "a configuration may name what is in this package, and in plugins of the user's own"
        hint = f"if you wrote it, add plugins=[{package}] on the command line"
        told = rule if _is_public(package) else hint
        message = f"{where}._target_={target!r} lies outside {', '.join(allowed)}: {told}"
        raise ConfigError(message)


def _is_public(package: str) -> bool:
    """Whether it comes with Python or was installed, so that nobody need be told to allow it."""
    return package in sys.stdlib_module_names or package in packages_distributions()


def _is_part(target: str) -> bool:
    """Whether a name in this package is one that a configuration may choose."""
    module, _, name = target.rpartition(".")
    inside = any(f"{module}.".startswith(f"{PACKAGE}.{part}.") for part in _PARTS)
    return inside and module not in _HELPERS and not name.startswith("_")


def _locate(target: str, where: str) -> Any:  # noqa: ANN401
    """Import a target that has been allowed; it must be defined where it is named."""
    module_name, _, name = target.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        message = (
            f"{where}._target_={target!r}: no module {error.name!r} can be imported; "
            "is its folder on PYTHONPATH?"
        )
        raise ConfigError(message) from error
    found = getattr(module, name, None)
    if not callable(found):
        close = difflib.get_close_matches(name, dir(module), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        message = (
            f"{where}._target_={target!r}: {module_name} has no function or class {name!r}{hint}"
        )
        raise ConfigError(message)
    if not _is_home(str(getattr(found, "__module__", "")), module_name):
        message = (
            f"{where}._target_={target!r} is defined elsewhere ({found.__module__}): not allowed"
        )
        raise ConfigError(message)
    return found


def _is_home(defined_in: str, named: str) -> bool:
    """Whether a thing belongs where it is named; a plug-in may re-export what is its own."""
    if named.split(".")[0] == PACKAGE:
        return defined_in == named
    return defined_in.split(".")[0] == named.split(".")[0]
