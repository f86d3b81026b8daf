"""Every public name says what it takes, gives and refuses."""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

import videxplain as vx
from videxplain import errors, measures, panels, types

FUNCTIONS = [name for name in vx.__all__ if inspect.isfunction(inspect.unwrap(getattr(vx, name)))]
CLASSES = [getattr(vx, name) for name in vx.__all__ if inspect.isclass(getattr(vx, name))]
BESIDES = [panels.Figure, types.Classifier, types.Explainer, types.Cost, measures.Metric]
"""What public names take or give."""


def sections(told: str) -> dict[str, set[str]]:
    """Names told under each heading of a docstring."""
    parts = re.split(r"^(Args|Attributes|Returns|Raises):$", told, flags=re.MULTILINE)
    headings = zip(parts[1::2], parts[2::2], strict=True)
    return {head: set(re.findall(r"^    (\w+):", text, re.MULTILINE)) for head, text in headings}


def taken(call: Any) -> set[str]:  # noqa: ANN401
    return set(inspect.signature(call).parameters) - {"self"}


def methods(cls: type) -> Iterator[tuple[str, Any]]:
    """The public functions and properties that a class itself defines."""
    for name, value in vars(cls).items():
        function = getattr(value, "fget", None) or getattr(value, "func", None) or value
        if inspect.isfunction(function) and not name.startswith("_"):
            yield name, function


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function(name: str) -> None:
    function = getattr(vx, name)
    told = sections(inspect.getdoc(function) or "")
    assert told["Args"] == taken(function)
    assert "Returns" in told
    refused = [getattr(errors, each) for each in told.get("Raises", ())]
    assert all(issubclass(each, vx.VidexplainError) for each in refused)
    assert refused


@pytest.mark.parametrize("cls", [*CLASSES, *BESIDES], ids=lambda cls: cls.__name__)
def test_a_class(cls: type) -> None:
    told = inspect.getdoc(cls)
    assert told
    listed = sections(told)
    if dataclasses.is_dataclass(cls):
        assert listed["Attributes"] == {field.name for field in dataclasses.fields(cls)}
    elif cls is vx.VideoClassifier:
        assert listed["Args"] == taken(cls.__init__)


@pytest.mark.parametrize("cls", [*CLASSES, *BESIDES], ids=lambda cls: cls.__name__)
def test_methods(cls: type) -> None:
    for name, function in methods(cls):
        told = inspect.getdoc(function)
        assert told, name
        listed = sections(told)
        assert listed.get("Args", taken(function)) == taken(function), name
        if len(taken(function)) > 1 and cls in CLASSES:
            assert "Args" in listed, name
        if re.search(r"^\s+raise ", inspect.getsource(function), re.MULTILINE):
            assert "Raises" in listed, name


def test_every_error_is_one_of_ours() -> None:
    for name, error in inspect.getmembers(errors, inspect.isclass):
        if error.__module__ == errors.__name__:
            assert issubclass(error, vx.VidexplainError), name
            assert inspect.getdoc(error), name
