"""From names to values: the files of conf/. Imports no torch."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from videxplain.errors import ConfigError, unknown_name
from videxplain.model_choice import DECLARED, Section, check_pair, choose_weights

_TARGET = "_target_"
_FIXED = (*DECLARED, "pretrain_dataset", "checkpoint")
"""Keys of a model that follow from other choices."""


@cache
def conf_folder() -> Path:
    """The configuration: inside an installed package, beside it in a checkout."""
    here = Path(__file__).resolve().parent
    return here / "conf" if is_packaged() else here.parent / "conf"


def is_packaged() -> bool:
    """Whether the configuration lies inside the package, as in a wheel."""
    return (Path(__file__).resolve().parent / "conf" / "config.yaml").is_file()


def names(group: str) -> list[str]:
    """The choices of a group, e.g. of ``method``."""
    return sorted(path.stem for path in (conf_folder() / group).glob("*.yaml"))


def check_name(group: str, name: str) -> str:
    """Refuse a choice that does not exist.

    Raises:
        ConfigError: With the nearest names and the list of all.
    """
    if not isinstance(name, str) or name not in names(group):
        raise ConfigError(unknown_name(group, str(name), names(group)))
    return name


def check_may_change(group: str, key: str) -> None:
    """Refuse a key of a model that its file or another choice decides.

    Raises:
        ConfigError: If it is one.
    """
    if group == "model" and key in _FIXED:
        message = f"model.{key} cannot be given: choose with pretrain_dataset= and weights="
        raise ConfigError(message)


def root(perturb: str = "quick") -> dict[str, Any]:
    """The root keys with their defaults, those of a recipe included."""
    merged = OmegaConf.merge(_load("config"), _load(f"perturb/{check_name('perturb', perturb)}"))
    values = plain_values(merged).items()
    return {key: value for key, value in values if key not in ("defaults", "hydra")}


def plain_values(tree: Any, *, resolve: bool = False) -> dict[str, Any]:  # noqa: ANN401
    """The mapping at the root of an OmegaConf tree, as plain values."""
    plain: Any = OmegaConf.to_container(tree, resolve=resolve)
    return {str(key): value for key, value in plain.items()}


def section(
    group: str,
    name: str,
    changes: Section | None = None,
    pretrain_dataset: str | None = None,
    perturb: str = "quick",
) -> Section:
    """A choice with its values filled in, as the command line would compose it.

    Args:
        group: Folder of conf/.
        name: File in it.
        changes: Keys of the choice, or root keys that it reads, with other values.
        pretrain_dataset: What a model was trained on; None takes its first.
        perturb: The recipe that a search follows.

    Raises:
        ConfigError: If the choice or a key does not exist.
    """
    check_name(group, name)
    changes = dict(changes or {})
    for key in changes:
        check_may_change(group, key)
    defaults = root(perturb)
    chosen = _load(f"{group}/{name}")
    text = OmegaConf.to_yaml(chosen)
    read = [key for key in defaults if f"${{{key}}}" in text]
    allowed = dict.fromkeys([*(str(key) for key in chosen if key != _TARGET), *read])
    for key in changes:
        if key not in allowed:
            raise ConfigError(unknown_name(f"key of {group}={name}", key, allowed))
    given = {key: _literal(value) for key, value in changes.items()}
    own = {key: value for key, value in given.items() if key in chosen and key not in read}
    tree = OmegaConf.merge(defaults, {k: v for k, v in given.items() if k in defaults})
    if group == "model":
        tree.pretrain_dataset = {"name": pretrain_dataset or chosen.pretrain_datasets[0]}
    filled = OmegaConf.merge(tree, {group: OmegaConf.merge(chosen, own)})
    return dict(plain_values(filled, resolve=True)[group])


def _literal(value: Any) -> Any:  # noqa: ANN401
    """A value in which OmegaConf finds nothing to fill in."""
    if isinstance(value, Mapping):
        return {key: _literal(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_literal(each) for each in value]
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", value) if isinstance(value, str) else value


def text(group: str, name: str) -> str:
    """The file of a choice, comments included.

    Raises:
        ConfigError: If the choice does not exist.
    """
    check_name(group, name)
    return (conf_folder() / group / f"{name}.yaml").read_text(encoding="utf-8")


def model(name: str, changes: Section, pretrain_dataset: str | None = None) -> Section:
    """A model's section with what its data set and weights decide.

    Args:
        name: File of conf/model.
        changes: Keys of it with other values.
        pretrain_dataset: What it was trained on; None takes its first.

    Raises:
        ConfigError: If a name or key does not exist.
        UnsupportedPairError: If there are no weights for the data set.
        WeightsError: If ``weights`` is no name and no file.
    """
    part = section("model", name, changes, pretrain_dataset)
    if pretrain_dataset is not None:
        check_name("pretrain_dataset", pretrain_dataset)
        check_pair(name, part, pretrain_dataset)
    return choose_weights(part)


def _load(name: str) -> DictConfig:
    return _read(conf_folder() / f"{name}.yaml")


@cache  # a sweep asks again for each job
def _read(path: Path) -> DictConfig:
    try:
        loaded = OmegaConf.load(path)
    except (OSError, OmegaConfBaseException) as error:
        message = f"{path} cannot be read ({error}): reinstall the package or mend the file"
        raise ConfigError(message) from error
    if not isinstance(loaded, DictConfig):
        message = f"{path} is not a mapping of keys to values: mend the file"
        raise ConfigError(message)
    return loaded
