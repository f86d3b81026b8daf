"""What a configuration means: its root keys, how it is completed, and what identifies a job.

Imports no torch, so that a mistake is told at once.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from videxplain import catalog, keys, model_choice
from videxplain.data import shards
from videxplain.errors import ConfigError, unknown_name
from videxplain.paths import given_path
from videxplain.root_keys import canonical, check_plain, check_values, map_areas, plugin_names
from videxplain.sinks.places import FOLDER_NAME, results_folder

FORMAT = 1
"""Version of the results on disk; another one never counts as done."""
GROUPS = ("model", "pretrain_dataset", "method", "perturb", "data", "metrics", "logger")
LISTED = "metrics"
"""The one group that takes several names."""
EXPERIMENT = "experiment"
"""The group of files that set any key."""
RENAMED = {
    "vis_method": "method=<name>",
    "no_gpu": "device=cpu",
    "num_gpu": "device=cuda",
}
"""Keys of the published code, and what to write instead."""

_PLUGINS = "plugins="
_PARTS = ("model", "method", "data", "logger")
"""What no job goes without."""
_NOTHING = {"metrics": "metrics=[]", "logger": "logger=none"}
"""Groups that may be empty, and how."""
_HASH_DIGITS = 12
_HASHED = ("model", "pretrain_dataset", "method", "data", "target", "metrics", "precision")
WHERE_WEIGHTS_ARE = ("weights", "weights_dir", "checkpoints", "checkpoint", "otherwise")
"""Keys of a model; the digest says which weights they are."""
_SHARD = "shard"
_CUT = ("batch_size", _SHARD)
"""Keys that say in which pieces the work is done."""
_AREAS = "perturb_area"
"""Key of a method that searches masks; of others ``map_area`` cuts them."""
_PLACE, _CONTENT = "videos_dir", "boxes"
"""Keys of the data that are told apart by the place that they name, and by what the file says."""
_KEY = re.compile(r"[+~]*([\w./@-]+?)(?:=|$)")


def check_overrides(overrides: Sequence[str]) -> None:
    """Refuse unknown root keys and choices of a command line.

    Raises:
        ConfigError: With the nearest names, or what replaced a key.
    """
    known = [*catalog.root(), *GROUPS, EXPERIMENT]
    for override in overrides:
        matched = _KEY.match(override)
        if matched is None:
            message = f"{override!r} is not understood: write key=value or group=name"
            raise ConfigError(message)
        first, *rest = re.split(r"[./@]", matched[1])
        if rest:
            catalog.check_may_change(first, rest[0])
        if first in RENAMED:
            message = f"{first} is the published code's name: write {RENAMED[first]}"
            raise ConfigError(message)
        if first not in known and first != "hydra":
            raise ConfigError(unknown_name("key", first, known))
        if not rest:
            _check_left(override, first)
            _check_one_name(override, first)


def complete(composed: DictConfig, choices: Mapping[str, str | None]) -> dict[str, Any]:
    """Fill in what depends on other choices, and resolve everything to plain values.

    Args:
        composed: What Hydra made of files and command line.
        choices: The name chosen in each group; kept under the key ``choices``.

    Raises:
        ConfigError: If a value is missing or a key unknown, or a choice no name for a folder.
    """
    filled = OmegaConf.create(catalog.plain_values(composed))  # a copy, without Hydra's locks
    _check_root(filled)
    _choose_data(filled)
    _choose_pretrain_dataset(filled)
    missing = sorted(str(key) for key in OmegaConf.missing_keys(filled))
    if missing:
        message = f"{missing[0]} has no value: give {missing[0]}=<value>"
        raise ConfigError(message)
    plain = catalog.plain_values(filled, resolve=True)
    check_plain(plain)
    check_values(plain)
    if shard(plain) is not None:
        shards.parse(shard(plain))
    plain["map_area"] = map_areas(plain["map_area"])
    chosen = {group: choices.get(group) for group in ("model", "method")}
    for group, name in {**chosen, "pretrain_dataset": plain["pretrain_dataset"]["name"]}.items():
        _check_folder_name(group, name)
    return {**plain, "model": model_choice.choose_weights(plain["model"]), "choices": chosen}


def plugins(composed: DictConfig, arguments: Sequence[str]) -> list[str]:
    """Packages that a ``_target_`` may name; a file must not grant itself any.

    Args:
        composed: What Hydra made of files and command line.
        arguments: Those of the command line.

    Raises:
        ConfigError: If they stand in a file, or are no list.
    """
    named = plugin_names(composed.plugins)
    if named and not any(argument.startswith(_PLUGINS) for argument in arguments):
        message = f"plugins={named} stands in a file: give plugins=[...] on the command line"
        raise ConfigError(message)
    return named


def check_pair(config: Mapping[str, Any]) -> None:
    """Refuse a data set that the model has no weights for.

    Raises:
        UnsupportedPairError: With the data sets that are possible.
    """
    name = config["choices"]["model"]
    model_choice.check_pair(name, config["model"], config["pretrain_dataset"]["name"])


def job_folder(config: Mapping[str, Any], weights_sha256: str) -> Path:
    """Where the results of a job are.

    Args:
        config: A completed configuration.
        weights_sha256: Digest of the network's weights.
    """
    names = (config["pretrain_dataset"]["name"], *config["choices"].values())
    results = results_folder(given_path(config["outputs_dir"]))
    return results.joinpath(*map(str, names), job_hash(config, weights_sha256))


def shard(config: Mapping[str, Any]) -> str | None:
    """Which share of the clips a job explains, ``i/n``; None for all.

    Args:
        config: A completed configuration.
    """
    given = config["data"].get(_SHARD)
    return None if given is None else str(given)


def searched_areas(config: Mapping[str, Any]) -> Sequence[Any]:
    """Areas that the method searches masks for; none for a method that gives one map.

    Args:
        config: A completed configuration.
    """
    method = config["method"]
    areas = [] if method.get("combine") else method.get(_AREAS, [])
    return areas if isinstance(areas, Sequence) else [areas]


def job_hash(config: Mapping[str, Any], weights_sha256: str) -> str:
    """Identify a job by what determines its result.

    Root keys count where the parts read them, so two jobs that differ in a key that none of their
    parts reads are one.

    Args:
        config: A completed configuration.
        weights_sha256: Digest of the network's weights.
    """
    read: dict[str, Any] = {key: config.get(key) for key in _HASHED}
    read["model"] = _without(config["model"], WHERE_WEIGHTS_ARE)
    read["method"] = uncut(config["method"])
    read["data"] = uncut(config["data"])
    metrics = config.get("metrics") or {}
    read["metrics"] = {name: uncut(metric) for name, metric in metrics.items()}
    if not searched_areas(config) and config.get("map_area"):
        read["cut"] = [config["map_area"], config["polarity"]]
    if config["data"].get(_PLACE) is not None:
        read["data"][_PLACE] = str(_absolute(config["data"][_PLACE]))
    if config["data"].get(_CONTENT) is not None:
        read["data"][_CONTENT] = _digest(_absolute(config["data"][_CONTENT]))
    text = canonical([FORMAT, read, weights_sha256])
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS]


def _absolute(path: str) -> Path:
    return given_path(path).resolve()


def _digest(path: Path) -> str | None:
    """Of a file's content; None if it cannot be read, which is told where it is."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def uncut(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part of a configuration without what says in which pieces the work is done."""
    return _without(part, _CUT)


def _without(part: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key not in keys}


def _check_folder_name(group: str, name: object) -> None:
    """Refuse a choice that would lead results out of their folder."""
    if not isinstance(name, str) or not FOLDER_NAME.fullmatch(name):
        message = f"{group}={name}: use letters, digits, '.', '_' and '-' for its name"
        raise ConfigError(message)


def _check_left(override: str, key: str) -> None:
    """Refuse what leaves a root key or a group without a value."""
    is_group = key in (*GROUPS, EXPERIMENT)
    if override.startswith("~") or (is_group and override == f"{key}=null"):
        instead = _NOTHING.get(key, f"{key}=<{'name' if is_group else 'value'}>")
        message = (
            f"{override} leaves {key} without a value: leave it out for the default, "
            f"or give {instead}"
        )
        raise ConfigError(message)


def _check_one_name(override: str, key: str) -> None:
    """Refuse a list of names where a group takes one."""
    if override.startswith(f"{key}=[") and key in GROUPS and key != LISTED:
        several = override.replace("[", "").replace("]", "")
        message = f"{override}: give one name, or several with -m, as in -m {several}"
        raise ConfigError(message)


def _check_root(filled: DictConfig) -> None:
    """Refuse a root key that is unknown, and a root without one that is needed."""
    keys_of_root = catalog.root()
    known = [*keys_of_root, *GROUPS]
    for key in filled:
        if key not in known:
            raise ConfigError(unknown_name("key", str(key), known))
    for key in (*keys_of_root, *_PARTS):
        if key not in filled:
            message = f"{key} has no value: give {key}=<value>"
            raise ConfigError(message)
    for key in (*_PARTS, *_NOTHING):
        _check_section(key, filled.get(key, {}))
    for name, metric in filled.get(LISTED, {}).items():
        _check_section(f"{LISTED}.{name}", metric)
        if "_target_" not in metric:
            message = f"{LISTED}.{name} is no metric: add its name to {LISTED}=[...]"
            raise ConfigError(message)


def _check_section(key: str, section: object) -> None:
    """Refuse a value in the place of keys, as a file may have it."""
    if not isinstance(section, Mapping):
        message = f"{key}={section!r}: it has keys of its own, give {key}.<key>=<value>"
        raise ConfigError(message)


def _choose_data(filled: DictConfig) -> None:
    choose = filled.data.pop("choose", None)
    if choose is not None:
        for key in filled.data:
            if key != _SHARD:
                raise ConfigError(keys.unknown_to_auto(f"data.{key}"))
        _check_section("data.choose", choose)
        name = choose.get("with_videos_dir" if filled.videos_dir else "otherwise")
        path = catalog.conf_folder() / "data" / f"{catalog.check_name('data', name)}.yaml"
        chosen = OmegaConf.load(path)
        filled.data = OmegaConf.merge(chosen, filled.data)


def _choose_pretrain_dataset(filled: DictConfig) -> None:
    possible = filled.model.get("pretrain_datasets")
    if not isinstance(possible, ListConfig) or not all(isinstance(each, str) for each in possible):
        message = f"model.pretrain_datasets={possible}: give a list of names, as in [kinetics]"
        raise ConfigError(message)
    chosen = filled.get("pretrain_dataset")
    if chosen is None:
        filled.pretrain_dataset = {"name": next(iter(possible), None)}
        return
    _check_section("pretrain_dataset", chosen)
    if "name" not in chosen:
        message = "pretrain_dataset has no name: choose one with pretrain_dataset=<name>"
        raise ConfigError(message)
