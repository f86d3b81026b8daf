"""What each part of a configuration must make."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from videxplain import building
from videxplain.errors import ConfigError
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Logger

_METRICS, _LOGGER = "metrics", "logger"
_KINDS: Mapping[str, Any] = {
    "model": VideoClassifier,
    "data": Sequence,
    "method": Callable,  # one of the user's own may lack what only plans and tables read
    _METRICS: Callable,
    _LOGGER: Logger,
}


def make(group: str, section: Mapping[str, Any], plugins: Sequence[str] = ()) -> Any:  # noqa: ANN401
    """Build a part, and refuse an object that cannot be one.

    Args:
        group: ``model``, ``data``, ``method``, ``metrics`` or ``logger``.
        section: Its plain values.
        plugins: Packages besides this one that a ``_target_`` may name.

    Returns:
        The object; of the metrics a dict, by their names; without a logger None.

    Raises:
        ConfigError: As `videxplain.building.build`, or if something else is made.
    """
    if group == _LOGGER and not section:
        return None
    made = building.build(section, group, plugins)
    several = group == _METRICS
    every = {f"{group}.{name}": made[name] for name in made} if several else {group: made}
    for where, each in every.items():
        if not isinstance(each, _KINDS[group]):
            what = "has no _target_" if isinstance(each, dict) else f"is a {type(each).__name__}"
            message = f"{where} {what}: choose {group}=<name>, or name what makes one"
            raise ConfigError(message)
    return made
