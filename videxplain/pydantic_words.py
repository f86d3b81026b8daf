"""What pydantic says of a value, in our words."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from videxplain.errors import ConfigError
from videxplain.words import counted


@contextmanager
def in_our_words(where: str) -> Iterator[None]:
    """Tell in our words what pydantic refuses.

    Args:
        where: What messages call the part of the configuration.

    Raises:
        ConfigError: In place of a ValidationError.
    """
    try:
        yield
    except ValidationError as error:
        raise ConfigError(_in_sentences(error, where)) from error


def _in_sentences(error: ValidationError, where: str) -> str:
    """One a mistake: what was given, and what is allowed."""
    mistakes = dict(_in_words(each, where) for each in error.errors())
    return "; ".join(key + said for key, said in mistakes.items())


def _in_words(mistake: Any, where: str) -> tuple[str, str]:  # noqa: ANN401
    """The key, and what is said of it."""
    kind, steps = mistake["type"], [where, *map(str, mistake["loc"])]
    if kind.startswith("missing"):
        return _absent(steps, mistake)
    key = ".".join(steps)
    return key, f"={mistake['input']!r}: {_allowed(key, mistake)}"


def _absent(steps: list[str], mistake: Any) -> tuple[str, str]:  # noqa: ANN401
    *parent, last = steps
    if isinstance(mistake["loc"][-1], int):
        least = counted(int(last) + 1, "value")
        return ".".join(parent), f"={mistake['input']!r}: give at least {least}"
    key = ".".join(steps)
    return key, f" has no value: give {key}=<value>"


def _allowed(key: str, mistake: Any) -> str:  # noqa: ANN401
    context = mistake.get("ctx", {})
    match mistake["type"]:
        case "value_error":
            return str(context["error"])
        case "tuple_type":
            return "give a list, as in [a,b]"
        case "too_long":
            return f"give at most {counted(context['max_length'], 'value')}"
        case "is_instance_of" if isinstance(mistake["input"], Mapping):
            return f"there is no {key} to change: choose another, or give {key}._target_ too"
        case "is_instance_of":
            return f"it has keys of its own, change those: {key}.<key>=<value>"
    said = str(mistake["msg"])
    return said[:1].lower() + said[1:]
