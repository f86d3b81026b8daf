"""The Python interface: the same parts as on the command line, without its files."""

from collections.abc import Sequence
from functools import partial

from torch import nn

from videxplain import catalog, keys, parts, targets
from videxplain.chunks import logits_of
from videxplain.devices import pick_device
from videxplain.errors import ConfigError
from videxplain.explaining import attribute, tell_moving
from videxplain.metrics.masks import count_moving
from videxplain.models.build import random_net
from videxplain.models.classifier import VideoClassifier
from videxplain.types import Attribution, Classifier, Clips, Explainer
from videxplain.words import Precision


def load_model(  # noqa: PLR0913
    name: str,
    pretrain_dataset: str | None = None,
    *,
    weights: str = "auto",
    device: str = "auto",
    precision: Precision = "float32",
    plugins: Sequence[str] = (),
    **changes: object,
) -> VideoClassifier:
    """Build a network of conf/model with its weights.

    Args:
        name: A file of conf/model, e.g. ``"r2plus1d"``.
        pretrain_dataset: What it was trained on; None takes the model's first.
        weights: ``"auto"``, ``"random"``, the name of a published file (``videxplain-weights
            list``), or a path.
        device: ``"auto"``, ``"cuda"``, ``"cpu"`` or ``"mps"``.
        precision: What the network computes in; ``"bfloat16"`` is mixed precision.
        plugins: Packages of your own that a ``_target_`` in ``changes`` may name.
        changes: Further keys of the file, e.g. ``weights_dir`` or ``sampling``.

    Returns:
        The network in evaluation mode, frozen, on its device, with its preprocessing.

    Raises:
        ConfigError: If a name or key does not exist.
        UnsupportedPairError: If the model has no weights for the data set.
        WeightsError: If the weights cannot be had or do not fit.
    """
    asked = {"weights": weights, **keys.plain(changes)}
    section = catalog.model(name, asked, pretrain_dataset)
    classifier: VideoClassifier = random_net(partial(parts.make, "model", section, plugins))
    classifier.precision = precision
    return classifier.to(pick_device(device))


def load_method(name: str, *, perturb: str = "quick", **changes: object) -> Explainer:
    """Build a method of conf/method.

    Args:
        name: A file of conf/method, e.g. ``"step"``.
        perturb: A file of conf/perturb: the recipe that a search follows.
        changes: Its keys with other values, e.g. ``perturb_area=[0.05, 0.1]``.

    Returns:
        What `explain` takes as ``method``; it can be used any number of times.

    Raises:
        ConfigError: If a name, key or value cannot be used.
    """
    section = catalog.section("method", name, keys.plain(changes), perturb=perturb)
    explainer: Explainer = parts.make("method", section)
    return explainer


def explain(
    classifier: Classifier,
    clips: Clips,
    method: str | Explainer = "step",
    target: targets.Choice = "label",
    *,
    perturb: str | None = None,
    **changes: object,
) -> Attribution:
    """Attribute the score of a class to the pixels of clips.

    Args:
        classifier: The network.
        clips: From ``classifier.preprocess``, or made from tensors.
        method: A file of conf/method, or a method already built.
        target: ``"label"`` (the prediction for a clip without one), ``"predicted"``, a class name,
            an index, or one index a clip.
        perturb: A file of conf/perturb, the recipe that a search follows; None is ``"quick"``.
        changes: Keys of the method, as in its file, with other values.

    Returns:
        Values ``a b c t h w`` on the clips' own grid: ``a`` is the number of areas, 1 where there
        are none; ``c`` is 3 for gradients, 1 for masks and for maps without colours.

    Raises:
        ConfigError: If a name, key or value cannot be used.
        DataError: If a score of the network's, or a value found, is NaN or infinite.
        LayerNotFoundError: If the network has not the layer that a key names.
        UnsupportedPairError: If the method cannot explain this network.
        DeviceMemoryError: If the device has not the memory for one clip.
    """
    _check_given(classifier, clips)
    given = [*changes, *(("perturb",) if perturb else ())]
    if not isinstance(method, str) and given:
        message = f"{', '.join(given)} given to a method already built: give them to load_method"
        raise ConfigError(message)
    name = method if isinstance(method, str) else type(method).__name__
    if isinstance(method, str):
        method = load_method(method, perturb=perturb or "quick", **changes)
    batch_size = getattr(method, "batch_size", len(clips))
    logits = logits_of(classifier, clips.frames, batch_size)
    attribution = attribute(classifier, clips, method, target, logits, name=name)
    tell_moving(count_moving(attribution), len(clips) * len(attribution.values))
    return attribution


def _check_given(classifier: object, clips: object) -> None:
    """Catch a network that was not wrapped, a video or a tensor that was not made into clips."""
    if isinstance(classifier, nn.Module) and not hasattr(classifier, "class_index"):
        message = (
            f"a {type(classifier).__name__} is no classifier: give VideoClassifier(net, frames=, "
            "size=), which knows what clips the network was trained on"
        )
        raise ConfigError(message)
    if not isinstance(clips, Clips):
        message = f"clips is a {type(clips).__name__}: give classifier.preprocess(...) or Clips"
        raise ConfigError(message)
