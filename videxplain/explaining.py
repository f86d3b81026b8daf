"""Every clip of a job explained, measured and kept; one that cannot be costs the others nothing."""

import logging
from collections.abc import Sequence

from tqdm import tqdm

from videxplain import targets
from videxplain.accounts import LOG
from videxplain.chunks import Chunks, logits_of
from videxplain.errors import ConfigError, DataError
from videxplain.job import Job
from videxplain.measuring import Measuring
from videxplain.types import (
    Attribution,
    Classifier,
    Clips,
    Explainer,
    Logits,
    Record,
    Sink,
    Video,
)
from videxplain.words import counted

log = logging.getLogger(__name__)

_CURVE_AXES = 3


def explain_all(job: Job, sinks: Sequence[Sink]) -> list[Record]:
    """Every clip, in batches that the device has the memory for.

    Raises:
        DataError: If some could not be explained, once the others are.
    """
    found: dict[int, list[Record]] = {}
    mistakes: list[DataError] = []
    bar = tqdm(total=len(job.videos), desc="clips", unit="clip", disable=None)

    def run(part: slice) -> None:
        found[part.start] = _finish(job, job.videos[part], sinks, mistakes)
        bar.update(part.stop - part.start)

    with bar:
        Chunks(job.config["batch_size"])(len(job.videos), run)
    if mistakes:
        wrong, of = len(mistakes), counted(len(job.videos), "clip")
        rest = ", the others are done" if wrong < len(job.videos) else ""
        more = f"; and {wrong - 1} more, see {job.sink.account / LOG}" if wrong > 1 else ""
        message = f"{wrong} of {of} cannot be explained{rest}: {mistakes[0]}{more}"
        raise DataError(message) from mistakes[0]
    return [record for start in sorted(found) for record in found[start]]


def _finish(
    job: Job, batch: Sequence[Video], sinks: Sequence[Sink], mistakes: list[DataError]
) -> list[Record]:
    """Records of a batch; where a clip cannot be explained, of the others, one by one."""
    kept = None if job.config["overwrite"] else job.kept(batch)
    if kept is not None:
        return kept
    try:
        return _explain(job, batch, sinks)
    except DataError as error:
        if len(batch) == 1:
            log.error("%s is left out: %s", batch[0].name, error)  # noqa: TRY400  # a user's fault
            mistakes.append(error)
            return []
    return [record for video in batch for record in _finish(job, [video], sinks, mistakes)]


def _explain(job: Job, batch: Sequence[Video], sinks: Sequence[Sink]) -> list[Record]:
    """Explain, measure and keep one batch."""
    clips = job.classifier.preprocess(batch)
    logits = logits_of(job.classifier, clips.frames, job.config["batch_size"])
    attribution = attribute(
        job.classifier, clips, job.method, job.config["target"], logits, name=job.choice("method")
    )
    measuring = Measuring(job.classifier, job.method, job.metrics)
    cut_at, polarity = job.config["map_area"], job.config["polarity"]
    records = measuring.records(clips, attribution, logits, cut_at, polarity)
    for sink in sinks:
        sink.write(records, clips, attribution)
    return records


def attribute(  # noqa: PLR0913
    classifier: Classifier,
    clips: Clips,
    method: Explainer,
    target: targets.Choice,
    logits: Logits,
    *,
    name: str,
) -> Attribution:
    """What a method says of clips, checked.

    Args:
        classifier: The network.
        clips: What is explained.
        method: Explains.
        target: The class explained.
        logits: Scores of ``clips``.
        name: What messages call the method.

    Raises:
        ConfigError: If a class does not exist, or the method gives something else.
        DataError: If a score or a value that the method finds is NaN or infinite.
    """
    found = method(classifier, clips, targets.resolve(target, classifier, clips, logits))
    _check_shape(found, clips, name)
    _check_finite(found, clips, name)
    return found


def tell_moving(moving: int, masks: int) -> None:
    """Warn of masks that had not come to rest, which may keep more than they were asked to.

    Args:
        moving: How many.
        masks: Of how many.
    """
    if moving:
        log.warning(
            "%d of %s still moved when the search ended, and may keep more than was asked for: "
            "give a larger num_iter, and look at the visible area",
            *(moving, counted(masks, "mask")),
        )


def _check_shape(attribution: object, clips: Clips, method: str) -> None:
    """A method of the user's own may give something else, which metrics would stumble over."""
    batch, _, *extent = clips.frames.shape
    if not isinstance(attribution, Attribution):
        message = f"{method} returns {type(attribution).__name__}: let it return an Attribution"
        raise ConfigError(message)
    areas, found = len(attribution.areas or [None]), tuple(attribution.values.shape)
    if found not in [(areas, batch, channels, *extent) for channels in (1, 3)]:
        wanted = (areas, batch, "1 or 3", *extent)
        message = (
            f"{method} returns values of shape {found}: give a b c t h w (areas, clips, channels, "
            f"frames, rows, columns), here ({', '.join(map(str, wanted))})"
        )
        raise ConfigError(message)
    if not all(0 < area < 1 for area in attribution.areas or ()):
        message = f"{method} returns areas {attribution.areas}: give shares, between 0 and 1"
        raise ConfigError(message)
    for name, curve in attribution.curves.items():
        if curve.dim() != _CURVE_AXES or curve.shape[:2] != (areas, batch):
            message = (
                f"{method} returns a curve {name!r} of shape {tuple(curve.shape)}: give a b i "
                f"(areas, clips, iterations), here ({areas}, {batch}, any)"
            )
            raise ConfigError(message)


def _check_finite(attribution: Attribution, clips: Clips, method: str) -> None:
    """A network may answer a clip, and not the parts of it or the gradient that a method asks."""
    for index, name in enumerate(clips.names):
        if not attribution.values[:, index].isfinite().all():
            message = (
                f"{method} finds values that are NaN or infinite for {name!r}: the network's "
                "gradient, or its scores of a perturbed clip, are; check it, or try another method"
            )
            raise DataError(message)
