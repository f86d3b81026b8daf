"""The command ``videxplain-evaluate``: measure saved attributions again, by other metrics.

Exit codes: 0 done, 2 the user's mistake, told in a sentence, 130 stopped.
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from tqdm import tqdm

from videxplain import building, catalog
from videxplain.commands import told
from videxplain.errors import ConfigError, OutputError, VidexplainError, unknown_name
from videxplain.paths import given_path
from videxplain.root_keys import check_values, plugin_names

_METRICS = "metrics"
_ROOT = ("device", "batch_size", "threads")
_OF_THE_JOB = ("polarity", "seed", "batch_size")
"""Root keys that metrics read."""
_FOLLOWS = re.compile(r"(\w+): \$\{oc\.select:method\.(\w+),")
"""A key of a metric that is as in the method."""


def main() -> None:
    """Run the command ``videxplain-evaluate``."""
    parser = argparse.ArgumentParser(prog="videxplain-evaluate", description=__doc__)
    parser.add_argument("folder", type=Path, help="outputs/sweeps/<time>, or outputs for all")
    parser.add_argument(
        "changes",
        nargs="+",
        metavar="key=value",
        help="metrics=[a,b], their keys as metrics.a.key=value, device, batch_size, threads",
    )
    given = parser.parse_args()
    with told("videxplain-evaluate"):
        _evaluate(given_path(given.folder), given.changes)


def _evaluate(folder: Path, arguments: Sequence[str]) -> None:
    names, keys, root, plugins = _parse(arguments)
    for name in names:
        _check_known(name)
    wanted = {name: _section(name, keys.get(name, {}), {}) for name in names}
    building.build(wanted, _METRICS, plugins)  # a mistake is told before anything is read

    from videxplain.evaluation import evaluate
    from videxplain.report.finished import finished
    from videxplain.report.summary import write_summary

    refused: list[str] = []
    for job in finished(folder):
        saved = {**job.outcome["config"], **root}
        metrics = {name: _section(name, keys.get(name, {}), saved) for name in names}
        tqdm.write(f"{job.folder}: {', '.join(names)}")
        try:
            evaluate(job.folder, job.outcome, metrics, root, plugins)
        except VidexplainError as error:  # the others can be measured all the same
            where = "" if str(job.folder) in str(error) else f"{job.folder}: "
            refused.append(f"{where}{error}")
    tqdm.write(f"Summary: {write_summary(folder)}")
    tqdm.write("videxplain-report and videxplain-sweep compare show the new numbers")
    if refused:
        raise OutputError("\n".join(refused))


def _check_known(name: str) -> None:
    """Only metrics of this package can be named: a folder of the user's own is not read here."""
    try:
        catalog.check_name(_METRICS, name)
    except ConfigError as error:
        own = "a metric of your own is measured by the job itself, with --config-dir"
        message = f"{error}; {own}"
        raise ConfigError(message) from error


def _section(name: str, keys: Mapping[str, Any], saved: Mapping[str, Any]) -> Mapping[str, Any]:
    """A metric's configuration, with the job's own root keys where it reads them."""
    text = catalog.text(_METRICS, name)
    method = saved.get("method", {})
    follows = {
        own: method[its] for own, its in _FOLLOWS.findall(text) if its in method and own not in keys
    }
    read = {key: saved[key] for key in _OF_THE_JOB if key in saved and f"${{{key}}}" in text}
    section = catalog.section(_METRICS, name, {name: {**follows, **keys}, **read})
    made: Mapping[str, Any] = section[name]
    return made


def _parse(
    arguments: Sequence[str],
) -> tuple[list[str], dict[str, dict[str, Any]], dict[str, Any], list[str]]:
    """Names of metrics, their keys, root keys, and plugins."""
    keys: dict[str, dict[str, Any]] = {}
    root: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        first, *rest = key.split(".", 2)
        if not equals or first not in (_METRICS, "plugins", *_ROOT):
            raise ConfigError(unknown_name("key", first, (_METRICS, "plugins", *_ROOT)))
        value = _value(key, text)
        if first == _METRICS and len(rest) == 2:  # noqa: PLR2004  # metrics.<name>.<key>
            keys.setdefault(rest[0], {})[rest[1]] = value
        elif rest:
            message = f"{argument!r} is not understood: write metrics.<name>.<key>=value"
            raise ConfigError(message)
        else:
            root[first] = value
    return _chosen(root.pop(_METRICS, list(keys)), keys), keys, *_checked(root)


def _chosen(names: Any, keys: Mapping[str, Any]) -> list[str]:  # noqa: ANN401
    if not isinstance(names, list) or not names:
        message = f"metrics={names!r}: give a list, as in metrics=[insertion_auc,gini]"
        raise ConfigError(message)
    for name in keys:
        if name not in names:
            raise ConfigError(unknown_name("metric among those measured", name, names))
    return names


def _checked(root: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Root keys that may be used, and plugins."""
    plugins = plugin_names(root.pop("plugins", []))
    check_values({**catalog.root(), **root})
    return root, plugins


def _value(key: str, text: str) -> Any:  # noqa: ANN401
    try:
        written = OmegaConf.from_dotlist([f"value={text}"])
        return catalog.plain_values(written, resolve=True)["value"]
    except Exception as error:  # what makes values of YAML's tags raises whatever it meets
        message = f"{key}={text} is not understood: write it as in YAML"
        raise ConfigError(message) from error


if __name__ == "__main__":
    main()
