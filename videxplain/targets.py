"""Which class is explained."""

import logging
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from videxplain.errors import ConfigError, DataError, nearest_of, unknown_name
from videxplain.types import NO_LABEL, Classifier, Clips, Logits, Targets, Video
from videxplain.words import counted

log = logging.getLogger(__name__)

_INDEX = re.compile(r"-?\d{1,9}")
_WRITTEN = {"nan": "NaN", "inf": "infinity", "-inf": "minus infinity"}
"""Numbers that are none, as Python writes them and as messages do."""
_One = str | int | np.integer | Tensor
Choice = _One | np.ndarray | Sequence[_One]
"""``label``, ``predicted``, a class name, an index, or a name or index a clip."""


def resolve(choice: Choice, classifier: Classifier, clips: Clips, logits: Logits) -> Targets:
    """One class index a clip.

    Args:
        choice: ``label`` takes the clip's own class and, where it has none, the prediction;
            ``predicted`` the class of highest score; else a class name, an index, or one a clip.
        classifier: Knows the class names.
        clips: What is explained.
        logits: Scores of ``clips``.

    Raises:
        ConfigError: If a class does not exist, the number of indices is not that of the clips, or
            the classifier has not one name a class.
        DataError: If a score of the network's is NaN or infinite.
    """
    _check_names(classifier, logits)
    _check_scores(classifier, clips, logits)
    predicted = logits.argmax(dim=1)
    if isinstance(choice, (Tensor, np.ndarray, np.integer)):
        choice = choice.tolist()
    if isinstance(choice, str) and choice == "predicted":
        return predicted
    if isinstance(choice, str) and choice == "label":
        labels = [clips.label(index) for index in range(len(clips))]
        own = [int(predicted[i]) if label is None else label for i, label in enumerate(labels)]
        return predicted.new_tensor([classifier.class_index(each) for each in own])
    if isinstance(choice, (str, int)):
        return torch.full_like(predicted, classifier.class_index(choice))
    numbers = (Tensor, np.generic)
    chosen: list[Any] = [each.item() if isinstance(each, numbers) else each for each in choice]
    if len(chosen) != len(clips):
        message = (
            f"{counted(len(chosen), 'target')} for {counted(len(clips), 'clip')}: give one a clip"
        )
        raise ConfigError(message)
    return predicted.new_tensor([classifier.class_index(each) for each in chosen])


def class_index(choice: str | int, names: Sequence[str]) -> int:
    """Index of a class that is named or numbered.

    A name is taken to the letter, else without regard to case and with ``_``, ``:``, ``-`` and
    spaces alike, so that it may stand in a file's name.

    Args:
        choice: A name, or an index as number or text.
        names: The names allowed, in the order of the logits.

    Raises:
        ConfigError: If there is no such class; the nearest ones are named.
    """
    found = _find(choice, names)
    if found is not None:
        return found
    if _INDEX.fullmatch(str(choice)):
        message = f"class index {choice} does not exist: give one from 0 to {len(names) - 1}"
        raise ConfigError(message)
    raise ConfigError(unknown_name("class", str(choice), names))


def _find(choice: str | int, names: Sequence[str]) -> int | None:
    """A name comes before a number."""
    named = find_class(choice, names) if isinstance(choice, str) else None
    if named is not None:
        return named
    numbered = _INDEX.fullmatch(str(choice))
    return int(choice) if numbered and 0 <= int(choice) < len(names) else None


def find_class(name: str, names: Sequence[str]) -> int | None:
    """Index of a class that is named, None where there is none of that name."""
    if name in names:
        return list(names).index(name)
    folded = [_fold(each) for each in names]
    return folded.index(_fold(name)) if _fold(name) in folded else None


def _fold(name: str) -> str:
    return re.sub("[_:-]", " ", name).casefold().strip()


def _check_scores(classifier: Classifier, clips: Clips, logits: Logits) -> None:
    wrong = (~logits.isfinite()).nonzero().tolist()
    if wrong:
        clip, index = wrong[0]
        score, name = _WRITTEN[str(logits[clip, index].item())], classifier.class_names[index]
        message = (
            f"the network gives {score} for {clips.names[clip]!r}, its score of class {name!r}: "
            "check its weights, and the clip"
        )
        raise DataError(message)


def _check_names(classifier: Classifier, logits: Logits) -> None:
    named, classes = len(classifier.class_names), logits.shape[1]
    if named != classes:
        message = f"{named} class_names for a network of {classes} classes: give one a class"
        raise ConfigError(message)


def label_index(video: Video, names: Sequence[str]) -> int:
    """Index of the class that a video's label names.

    Args:
        video: With a label.
        names: The classes, in the order of the logits.

    Raises:
        DataError: If it is none of them.
    """
    found = find_label(video, names)
    if found is None:
        message = (
            f"the label {video.label!r} of {video.name!r} is none of the network's classes "
            f"({nearest_of(names, str(video.label))}): name the clip <class>-<anything>, "
            "choose a model that has the class, or set target=predicted"
        )
        raise DataError(message)
    return found


def find_label(video: Video, names: Sequence[str]) -> int | None:
    """Index of the class that a video's label names, None where it names none.

    A class name may itself hold a ``-``: the longest one that the video's name starts with counts.

    Args:
        video: With a label.
        names: The classes, in the order of the logits.
    """
    for text in _longer_labels(video):
        named = find_class(text, names)
        if named is not None:
            return named
    return None if video.label is None else _find(video.label, names)


def known_label(video: Video, names: Sequence[str]) -> int:
    """Index of the class that a video's label names; one of another data set counts as none.

    Args:
        video: With a label.
        names: The classes, in the order of the logits.
    """
    index, label = find_label(video, names), str(video.label)
    if index is None:
        log.warning("clips of label %s that name no class of the network count as without", label)
    elif find_class(label, names) is None:
        log.info("label %s: taken as class %s", label, names[index])
    return NO_LABEL if index is None else index


def _longer_labels(video: Video) -> list[str]:
    """A video's name and its parts up to a ``-`` that are longer than its label, longest first."""
    name = PurePosixPath(video.name)
    cuts = [index for index, letter in enumerate(name.name) if letter == "-"]
    starts = [name.name, name.stem, *(name.name[:cut] for cut in reversed(cuts))]
    return [each for each in starts if each.startswith(f"{video.label}-")]
