"""The command ``videxplain-weights``: which weights there are, where they come from, what they fit.

Exit codes: 0 done, 2 the user's mistake or a file that cannot be used, told in a sentence,
130 stopped.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate
from tqdm import tqdm

from videxplain import building, catalog
from videxplain.commands import told
from videxplain.errors import ConfigError, WeightsError, unknown_name
from videxplain.models.checkpoints import (
    Checkpoint,
    cache_folder,
    check_file,
    file_sha256,
    git_blob,
)
from videxplain.models.extents import described

_MEGABYTE = 1e6


@dataclass(frozen=True)
class _Known:
    """A published file and what it is called."""

    model: str
    name: str
    checkpoint: Checkpoint


def main() -> None:
    """Run the command ``videxplain-weights``."""
    arguments = _parser().parse_args()
    with told("videxplain-weights", only_files=True):
        if getattr(arguments, "model", None):
            _check_model(arguments.model)
        arguments.run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="videxplain-weights", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="list|fetch|check|info")
    listed = commands.add_parser("list", help="published files: source, licence, here or not")
    fetched = commands.add_parser("fetch", help="fetch a published file, or go on fetching it")
    checked = commands.add_parser("check", help="what a file is, and which network it fits")
    told = commands.add_parser("info", help="a network's size, clips, and layers for Grad-CAM")
    for command, run in ((listed, _list), (fetched, _fetch), (checked, _check), (told, _info)):
        command.set_defaults(run=run)
    for command in (fetched, told):
        command.add_argument("model", help="a file of conf/model, e.g. tsm")
        command.add_argument(
            "--pretrain-dataset", help="what it was trained on; default: its first"
        )
    fetched.add_argument("--weights", default="auto", help="a name that `list` shows")
    checked.add_argument("file", type=Path, help="a weights file")
    checked.add_argument("--model", help="try this model alone")
    for command in (listed, fetched):
        command.add_argument("--weights-dir", help="folder of the files; default: PyTorch's cache")
    return parser


def _list(arguments: argparse.Namespace) -> None:
    known = list(_known())
    rows = [_row(each, arguments.weights_dir) for each in known]
    headers = ["model", "pretrain_dataset", "weights", "MB", "licence", "here", "hash"]
    tqdm.write(tabulate(rows, headers))
    tqdm.write(f"\nFiles in {cache_folder(arguments.weights_dir)}, and their sources:")
    for each in known:
        path = each.checkpoint.path(arguments.weights_dir)
        tqdm.write(f"{each.model} {each.name}: {path.name}\n    {each.checkpoint.url}")


def _row(known: _Known, weights_dir: str | None) -> list[str]:
    published = known.checkpoint
    path = published.path(weights_dir)
    here = path.is_file()
    matches = published.matches(path) if here else None
    verified = {True: "verified", False: "DIFFERS", None: "unknown"}[matches]
    has_digest = published.sha256 or published.git_blob
    return [
        known.model,
        ", ".join(published.pretrain_datasets),
        known.name,
        f"{published.megabytes or 'unknown'}",
        published.licence,
        "yes" if here else "no",
        verified if here or not has_digest else "published",
    ]


def _fetch(arguments: argparse.Namespace) -> None:
    dataset = arguments.pretrain_dataset or _served_by(arguments.model, arguments.weights)
    changes = {"weights": arguments.weights}
    fields = catalog.model(arguments.model, changes, dataset).get("checkpoint")
    if fields is None:
        names = [each.name for each in _known() if each.model == arguments.model]
        if not names:
            message = f"model={arguments.model} has no published file to fetch"
            raise ConfigError(message)
        raise ConfigError(unknown_name("weights", arguments.weights, ["auto", *names]))
    published = Checkpoint(**fields)
    path = published.local_file(arguments.weights_dir)
    check_file(path)
    matches = published.matches(path)
    if matches is False:
        message = f"{path} is not the published file: move it away and fetch again"
        raise WeightsError(message)
    tqdm.write(f"{path}\nsha256 {file_sha256(path)}")
    if matches is None:
        tqdm.write("No hash of this file is published, so it could not be verified.")


def _served_by(model: str, weights: str) -> str | None:
    """The first data set of a file that is named; None for ``auto``."""
    known = [each for each in _known() if (each.model, each.name) == (model, weights)]
    return known[0].checkpoint.pretrain_datasets[0] if known else None


def _check(arguments: argparse.Namespace) -> None:
    from videxplain.models.weights import read_weights  # imports torch

    path: Path = arguments.file
    file = read_weights(path)  # so that a file that none can read is told once
    tried = {pair: _mistake(*pair, path) for pair in _pairs(arguments.model)}
    fitting = [" ".join(pair) for pair, mistake in tried.items() if mistake is None]
    if not fitting:
        reasons = "".join(f"\n  {' '.join(pair)}: {said}" for pair, said in tried.items())
        message = f"no network of this package takes {path}:{reasons}"
        raise WeightsError(message)
    same = [f"{each.model} {each.name}" for each in _known() if each.checkpoint.matches(path)]
    facts = {
        "file": path,
        "size": f"{path.stat().st_size / _MEGABYTE:.1f} MB",
        "sha256": file.sha256,
        "git blob": git_blob(path),
        "published as": ", ".join(same) or "none of the files whose hash is published",
        "fits": ", ".join(fitting),
    }
    tqdm.write(tabulate(facts.items(), tablefmt="plain", disable_numparse=True))


def _mistake(model: str, pretrain_dataset: str, path: Path) -> str | None:
    """Why a model does not take a file, None if it does."""
    whole = path.absolute()  # so that no file is taken for a published name
    try:
        building.build(catalog.model(model, {"weights": str(whole)}, pretrain_dataset), "model")
    except WeightsError as error:
        return str(error).removeprefix(f"{whole}: ")
    return None


def _info(arguments: argparse.Namespace) -> None:
    from videxplain import api  # imports torch, which `list` need not wait for
    from videxplain.models.cam_layers import cam_layers

    classifier = api.load_model(
        arguments.model, arguments.pretrain_dataset, weights="random", device="cpu"
    )
    parameters = sum(each.numel() for each in classifier.net.parameters())
    facts = {
        "parameters": f"{parameters:,}",
        "classes": len(classifier.class_names),
        "clip": described((classifier.frames, *classifier.size)),
        "sampling": classifier.sampling,
        "resize": classifier.resize or "to cover the clip",
        "mean, std": f"{_numbers(classifier.mean.tolist())}, {_numbers(classifier.std.tolist())}",
        "input": classifier.layout,
    }
    tqdm.write(tabulate(facts.items(), tablefmt="plain", disable_numparse=True))
    tqdm.write("\nLayers for Grad-CAM (c x t x h x w for one clip; * is the default):")
    for name, shape in cam_layers(classifier).items():
        star = "*" if name == classifier.cam_layer else " "
        tqdm.write(f"{star} {name}: {' x '.join(map(str, shape))}")


def _known() -> Iterator[_Known]:
    """Every published file."""
    for model in catalog.names("model"):
        for name, fields in catalog.section("model", model).get("checkpoints", {}).items():
            yield _Known(model, name, Checkpoint(**fields))


def _pairs(model: str | None) -> Iterator[tuple[str, str]]:
    """A model, or every one with a network of its own, with each of its data sets."""
    for name in [model] if model else _own_models():
        for pretrain_dataset in catalog.section("model", name)["pretrain_datasets"]:
            yield name, pretrain_dataset


def _own_models() -> list[str]:
    return [name for name in catalog.names("model") if name != "custom"]


def _check_model(name: str) -> None:
    """Refuse what is no network of this package."""
    if name not in _own_models():
        raise ConfigError(unknown_name("model", name, _own_models()))


def _numbers(values: list[float]) -> str:
    return " ".join(f"{value:.3g}" for value in values)


if __name__ == "__main__":
    main()
