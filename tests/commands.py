"""Commands called in this process, as a shell would, and the configurations that they complete."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import open_dict

from videxplain import catalog, config

Run = Callable[..., "Ran"]


@dataclass
class Ran:
    """What a command left.

    Attributes:
        code: Its exit code.
        out: What it wrote to standard output.
        err: What it wrote to standard error.
    """

    code: int
    out: str
    err: str


def runner(
    name: str,
    main: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """A function that runs the command with its arguments."""

    def call(*arguments: str) -> Ran:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call


def completed(overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration that ``videxplain`` makes of its arguments."""
    with initialize_config_dir(str(catalog.conf_folder()), version_base="1.3"):
        composed = compose("config", list(overrides), return_hydra_config=True)
    choices = catalog.plain_values(composed.hydra.runtime.choices)
    with open_dict(composed):
        del composed["hydra"]
    return config.complete(composed, choices)
