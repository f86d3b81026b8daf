"""How every command ends: exit codes, and mistakes told in a sentence."""

import io
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tqdm import tqdm

from videxplain.errors import VidexplainError

FAILED = 1
USERS_MISTAKE = 2
INTERRUPTED = 130


@contextmanager
def told(command: str) -> Iterator[None]:
    """End the process with a sentence and an exit code, where a command cannot go on.

    Args:
        command: Its name, which begins the sentence.

    Raises:
        SystemExit: With 130 after Ctrl+C or SIGTERM, with 2 after a `VidexplainError`.
    """
    show_any_character()
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
    finally:
        signal.signal(signal.SIGTERM, before)


def tell(command: str, message: str) -> None:
    """Say on stderr what went wrong.

    Args:
        command: Its name.
        message: A sentence.
    """
    tqdm.write(f"{command}: {message}", file=sys.stderr)


def show_any_character() -> None:
    """Let a terminal without a character, as in the locale C, show how Python writes it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise KeyboardInterrupt
