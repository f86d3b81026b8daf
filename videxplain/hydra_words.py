"""What Hydra and OmegaConf say of a mistake, in our words."""

import re
import shlex

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException
from yaml import YAMLError
from yaml.reader import ReaderError

from videxplain import catalog, config, keys
from videxplain.errors import VidexplainError, unknown_name

EXPECTED = (
    *(VidexplainError, HydraException, OmegaConfBaseException, YAMLError),
    UnicodeDecodeError,
)
"""What a mistake of the user's raises."""
_KEY = re.compile(r"\+{0,2}[\w.]+")
_MEANS_MORE = re.compile(r"\w*[\[{(]|.*\$\{")
"""A list, a mapping or a function, or what refers to other keys."""

_KINDS = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}
"""OmegaConf's types."""


def in_words(error: BaseException) -> str:
    """One sentence: what was given, what is allowed, what to do.

    Args:
        error: A mistake in a configuration or a command line.
    """
    if isinstance(error, VidexplainError):
        return str(error)
    for translate in _TRANSLATIONS:
        if told := translate(error):
            return told
    return _as_it_is(error)


def of_a_job(error: BaseException) -> str:
    """What a job failed by: a mistake in words, anything else as it is, with its type.

    Args:
        error: Of any kind.
    """
    return in_words(error) if isinstance(error, EXPECTED) else _as_it_is(error)


def _as_it_is(error: BaseException) -> str:
    kind = "" if isinstance(error, EXPECTED) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error} {error.__cause__ or ''}".split())


def _missing_choice(error: BaseException) -> str | None:
    if not isinstance(error, MissingConfigException) or not error.missing_cfg_file:
        return None
    group, _, name = error.missing_cfg_file.rpartition("/")
    known = error.options or catalog.names(group)
    return unknown_name(group or "configuration file", name, known)


def _not_understood(error: BaseException) -> str | None:
    if not isinstance(error, OverrideParseException):
        return None
    given = error.override
    if given.endswith(","):
        return f"{given!r} ends in a comma: leave no space after it, as in method=step,grad"
    how = "write key=value or group=name"
    key, equals, value = given.partition("=")
    if equals:
        is_text = key not in config.GROUPS and _KEY.fullmatch(key) and not _MEANS_MORE.match(value)
        example = _quoted(key, value) if is_text else "\"key='value'\""
        how += f", and quote a value that holds = or other signs: {example}"
    return f"{given!r} is not understood: {how}"


def _quoted(key: str, value: str) -> str:
    """An override of text, quoted for Hydra and for the shell."""
    text = value[1:-1] if len(value) > 1 and value[0] == value[-1] in tuple("\"'") else value
    mark = '"' if "'" in text and '"' not in text else "'"
    # Hydra reads a backslash as one, but before a mark, where it reads two as one
    escaped = re.sub(rf"(\\*){mark}", rf"\1\1\\{mark}", text)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    override = f"{key}={mark}{escaped}{mark}"
    if set(override) & set("$`\\!"):
        return shlex.quote(override)
    return '"' + override.replace('"', '\\"') + '"'  # easier to read


def _several_values(error: BaseException) -> str | None:
    found = re.search(r"Ambiguous value for argument '(.*?)'\n", str(error))
    if found is None:
        return None
    key, _, values = found[1].partition("=")
    one_job = f"; or write {key}=[{values}], one list for one job"
    takes_one = key in config.GROUPS and key != config.LISTED
    told = f"{found[1]} gives several values: add -m, and each makes a job"
    return told if takes_one else told + one_job


def _unknown_key(error: BaseException) -> str | None:
    key = re.search(r"Could not override '([^']+)'", str(error))
    parent = getattr(error.__cause__, "parent_node", None)
    if key is None or not isinstance(parent, DictConfig):
        return None
    if "choose" in parent:
        return keys.unknown_to_auto(key[1])
    return keys.unknown_key(key[1], [str(each) for each in parent])


def _nothing_to_remove(error: BaseException) -> str | None:
    key = re.search(r"Could not delete[^']*'([^']+)'", str(error))
    return key and f"~{key[1]} removes nothing: leave it out"


def _wrong_type(error: BaseException) -> str | None:
    override = re.search(r"Error merging override (.*)", str(error))
    kind = re.search(r"could not be converted to (\w+)", str(error.__cause__))
    if override is None or kind is None:
        return None
    return f"{override[1]}: give {_KINDS.get(kind[1], kind[1])}"


def _refers_to_nothing(error: BaseException) -> str | None:
    name = re.search(r"key ('[^']+') not found", str(error))
    if not isinstance(error, InterpolationKeyError) or name is None:
        return None
    return f"{error.full_key} refers to {name[1]}, which does not exist: give the value itself"


def _not_yaml(error: BaseException) -> str | None:
    if not isinstance(error, YAMLError):
        return None
    mark = getattr(error, "problem_mark", None)
    place = f"{mark.name}, line {mark.line + 1}," if mark else getattr(error, "name", "a file")
    problem = error.reason if isinstance(error, ReaderError) else getattr(error, "problem", error)
    return f"{place} is not understood as YAML ({problem}): mend it, or take another file"


def _not_utf8(error: BaseException) -> str | None:
    if not isinstance(error, UnicodeDecodeError):
        return None
    return f"a file is not text in UTF-8 ({error}): save it as UTF-8"


def _no_defaults(error: BaseException) -> str | None:
    if not (isinstance(error, AssertionError) or "in defaults" in str(error)):
        return None
    return "a file's `defaults` are not understood: write `- group: name`, and names as text"


_TRANSLATIONS = (
    *(_missing_choice, _not_understood, _several_values, _unknown_key, _nothing_to_remove),
    *(_wrong_type, _refers_to_nothing, _not_yaml, _not_utf8, _no_defaults),
)
