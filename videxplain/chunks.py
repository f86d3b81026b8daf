"""Work through a batch in pieces that the device has the memory for."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from videxplain.errors import DeviceMemoryError
from videxplain.types import Classifier, Frames, Logits, Network

_MEMORY_ERRORS = (torch.OutOfMemoryError, MemoryError)
_NO_MEMORY = re.compile("out of memory|t allocate memory|not enough memory|ALLOC_FAILED")
"""What PyTorch says where it has no error of its own for it: CPU, MPS, libraries of CUDA."""
_HALVED = (
    "out of memory with %d clips at a time: going on with %d; batch_size=%d spares the attempt"
)
log = logging.getLogger(__name__)


@contextmanager
def told_once(*loggers: logging.Logger) -> Iterator[None]:
    """Say each thing once, however many batches meet it.

    Args:
        loggers: That say it.
    """
    told: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        known = message in told
        told.add(message)
        return not known

    for each in loggers:
        each.addFilter(is_new)
    try:
        yield
    finally:
        for each in loggers:
            each.removeFilter(is_new)


class Chunks:
    """Cut batches into parts, smaller ones from the moment the device runs out of memory.

    Args:
        size: Most items of a part, at least 1.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, count: int, run: Callable[[slice], None]) -> None:
        """Call ``run`` for consecutive parts of ``range(count)``.

        A part that does not fit is run again in halves; the size that fits is kept for what
        follows.

        Args:
            count: Items in all.
            run: Does the work of a part; what it changes, it changes after its last allocation, so
                that it can be called again.

        Raises:
            DeviceMemoryError: If one item is too much.
        """
        start = 0
        while start < count:
            stop = min(start + self.size, count)
            if _fits(run, slice(start, stop)):
                start = stop
            else:
                self._halve(stop - start)

    def _halve(self, tried: int) -> None:
        if tried == 1:
            message = (
                "the device has not the memory for one clip at a time: give smaller clips "
                "(model.frames, model.size) or device=cpu"
            )
            raise DeviceMemoryError(message)
        self.size = tried // 2
        log.warning(_HALVED, tried, self.size, self.size)


def accelerated(classifier: Classifier) -> Network:
    """A classifier's own quicker form, where it has one, for those who ask it many times."""
    quick: Network = getattr(classifier, "accelerated", classifier)
    return quick


def logits_of(classifier: Classifier, frames: Frames, batch_size: int) -> Logits:
    """Class scores of a batch without a gradient, ``batch_size`` clips at a time."""
    answers: dict[int, Logits] = {}

    def run(part: slice) -> None:
        with torch.no_grad():
            answers[part.start] = classifier(frames[part])

    Chunks(batch_size)(len(frames), run)
    return torch.cat([answers[start] for start in sorted(answers)])


def _fits(run: Callable[[slice], None], part: slice) -> bool:
    """Whether there was enough memory; if not, what was taken is free again on return."""
    try:
        run(part)
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, _MEMORY_ERRORS) and not _NO_MEMORY.search(str(error)):
            raise
        fits = False  # the error holds the tensors of every frame below until it goes
    else:
        return True
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return fits
