"""Locks between processes; one that dies lets go of its own."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from videxplain.sinks.files import writing

log = logging.getLogger(__name__)


@contextmanager
def locked(path: Path, waiting: str = "") -> Iterator[None]:
    """Let one process at a time do what follows; the others wait.

    Args:
        path: Of the lock, which stays; its folder is made.
        waiting: What is said by a process that has to wait.

    Raises:
        OutputError: If it cannot be written.
    """
    lock = FileLock(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if waiting:
                log.info(waiting)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock now; it may, where this user cannot ask."""
    if not path.is_file():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except (Timeout, OSError):
        return True
