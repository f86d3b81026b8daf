"""How every command ends: exit codes, and mistakes told in a sentence."""

import io
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from tqdm import tqdm

from videxplain.errors import VidexplainError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

FAILED = 1
USERS_MISTAKE = 2
INTERRUPTED = 130


@contextmanager
def told(command: str, *, only_files: bool = False) -> Iterator[None]:
    """End the process with a sentence and an exit code, where a command cannot go on.

    Args:
        command: Its name, which begins the sentence.
        only_files: It runs no code of the user's, so that an OSError is of a file that was named.

    Raises:
        SystemExit: With 130 after Ctrl+C or SIGTERM, with 2 after what is told.
    """
    steady_output()
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        stopped = "stopped; what is finished is kept, the same command goes on from there"
        tqdm.write(f"\n{command}: {stopped}", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except VidexplainError as error:
        tell(command, str(error))
        sys.exit(USERS_MISTAKE)
    except OSError as error:
        if not only_files:
            raise
        tell(command, f"{error.filename} cannot be used ({error.strerror}): give another one")
        sys.exit(USERS_MISTAKE)
    finally:
        signal.signal(signal.SIGTERM, before)


def tell(command: str, message: str) -> None:
    """Say on stderr what went wrong.

    Args:
        command: Its name.
        message: A sentence.
    """
    tqdm.write(f"{command}: {message}", file=sys.stderr)


def steady_output() -> None:
    """Let nothing that is said stop a command.

    A terminal without a character, as in the locale C, shows how Python writes it; and whoever
    reads may go away, as ``head`` does: what the command makes is on disk.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        # the process's own alone, which stays open: another's file may be closed under our hands
        if stream is getattr(sys, f"__{name}__") and _writes_to_file(stream):
            steady = _unread(stream)
            setattr(sys, name, steady)
            for handler in logging.getLogger().handlers:  # a worker's are there already
                if isinstance(handler, logging.StreamHandler) and handler.stream is stream:
                    handler.setStream(steady)


def _writes_to_file(stream: object) -> bool:
    buffer = stream.buffer if isinstance(stream, io.TextIOWrapper) else None
    return type(getattr(buffer, "raw", buffer)) is io.FileIO


class _Unread(io.FileIO):
    """What is written once nobody reads is lost, and that is no error."""

    def write(self, data: "ReadableBuffer") -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def _unread(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    stream.flush()
    raw = _Unread(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),  # the first: python -u
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise KeyboardInterrupt
