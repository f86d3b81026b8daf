"""Which class is explained."""

from collections.abc import Sequence

import torch
from torch import Tensor

from videxplain.errors import ConfigError
from videxplain.types import Classifier, Clips, Logits, Targets

Choice = str | int | Sequence[int] | Tensor
"""``label``, ``predicted``, a class name, an index, or one index a clip."""


def resolve(choice: Choice, classifier: Classifier, clips: Clips, logits: Logits) -> Targets:
    """One class index a clip.

    Args:
        choice: ``label`` takes the clip's own class and, where it has none, the prediction;
            ``predicted`` the class of highest score; else a class name, an index, or one a clip.
        classifier: Knows the class names.
        clips: What is explained.
        logits: Scores of ``clips``.

    Raises:
        ConfigError: If a class does not exist, or the number of indices is not that of the clips.
    """
    predicted = logits.argmax(dim=1)
    if choice == "predicted":
        return predicted
    if choice == "label":
        labels = [clips.label(index) for index in range(len(clips))]
        own = [int(predicted[i]) if label is None else label for i, label in enumerate(labels)]
        return _checked(torch.tensor(own), clips, logits)
    if isinstance(choice, str) and not choice.lstrip("-").isdigit():
        choice = classifier.class_index(choice)
    if isinstance(choice, (str, int)):
        return _checked(torch.full((len(clips),), int(choice)), clips, logits)
    return _checked(torch.as_tensor(choice), clips, logits)


def _checked(target: Tensor, clips: Clips, logits: Logits) -> Targets:
    if target.shape != (len(clips),):
        message = f"{target.numel()} targets for {len(clips)} clips: give one index a clip"
        raise ConfigError(message)
    count = logits.shape[1]
    wrong = [int(index) for index in target if not 0 <= index < count]
    if wrong:
        message = f"class index {wrong[0]} does not exist: give one from 0 to {count - 1}"
        raise ConfigError(message)
    return target.to(logits.device)
