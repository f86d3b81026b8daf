"""The configurations of a sweep, each as Hydra would compose it, most of them without Hydra."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from videxplain import catalog

if TYPE_CHECKING:
    from videxplain.planning import Combination


class Composer:
    """Composes jobs; what Hydra makes of files is made once for jobs of the same choices.

    Hydra reads and merges every file again for each job, to plan it and to launch it. Jobs that
    differ in values alone are copies with other values here.

    Args:
        loader: Hydra's.
        composed: The configuration of the sweep itself.
    """

    def __init__(self, loader: ConfigLoader, composed: DictConfig) -> None:
        self._loader, self._composed = loader, composed
        self._parser = OverridesParser.create(config_loader=loader)
        self._root_keys = frozenset(catalog.root())
        self._known: dict[tuple[str, ...], DictConfig] = {}

    def __call__(self, overrides: tuple[str, ...]) -> "Combination":
        """The configuration of a job.

        Args:
            overrides: As on the command line.

        Raises:
            HydraException: If the overrides cannot be composed, in Hydra's words.
        """
        from videxplain.planning import Combination

        composed = self.load_sweep_config(self._composed, overrides)
        choices = catalog.plain_values(composed.hydra.runtime.choices)
        with open_dict(composed):
            del composed["hydra"]
        return Combination(overrides, composed, choices)

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: Sequence[str]
    ) -> DictConfig:
        """A job's configuration with Hydra's own part, under the name that a launcher calls.

        Args:
            master_config: That of the sweep itself.
            sweep_overrides: As on the command line.

        Raises:
            HydraException: If the overrides cannot be composed, in Hydra's words.
        """
        parsed = self._parser.parse_overrides(list(sweep_overrides))
        values = [each for each in parsed if self._is_value(each)]
        choices = tuple(_lines([each for each in parsed if each not in values]))
        if choices not in self._known:
            self._known[choices] = self._loader.load_sweep_config(master_config, list(choices))
        composed = copy.deepcopy(self._known[choices])
        if not _apply(values, composed):
            return self._loader.load_sweep_config(master_config, list(sweep_overrides))
        _note(parsed, composed.hydra)
        return composed

    def _is_value(self, override: Override) -> bool:
        """Whether it changes a key, and chooses no file of a group."""
        first, *rest = override.key_or_group.split(".")
        return bool(rest and first != "hydra") or first in self._root_keys


def _apply(values: Sequence[Override], composed: DictConfig) -> bool:
    """Give keys other values, as Hydra does; False where that is no plain matter."""
    try:
        for each in values:
            key, add = each.key_or_group, each.is_add()
            there = OmegaConf.select(composed, key, throw_on_missing=False) is not None
            if each.package is not None or each.is_delete() or (add and there):
                return False
            OmegaConf.update(composed, key, each.value(), force_add=add or each.is_force_add())
    except OmegaConfBaseException:
        return False
    return True


def _note(overrides: Sequence[Override], settings: DictConfig) -> None:
    """Write into Hydra's own part which overrides made the job."""
    own = [each for each in overrides if not each.is_hydra_override()]
    style, settings.overrides.task = settings.job.config.override_dirname, _lines(own)
    named = [each for each in own if each.key_or_group not in style.exclude_keys]
    joined = style.item_sep.join(sorted(_lines(named)))
    settings.job.override_dirname = joined.replace("=", style.kv_sep)


def _lines(overrides: Sequence[Override]) -> list[str]:
    return [str(each.input_line) for each in overrides]
