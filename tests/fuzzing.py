"""Readers given broken files: which crash, hang, or end in a traceback instead of a sentence.

Inputs are small real files with bits flipped, parts cut, moved or repeated, and lengths changed.
Each reader runs in a process of its own, so that whatever it does is seen.
"""

import json
import multiprocessing
import os
import random
import re
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

import torch

from tests.processes import SERVER
from videxplain.errors import VidexplainError

Kind = Literal["read", "refused", "contained", "crash", "hang", "traceback"]
"""``contained``: the decoder's own process crashed or hung, and it was told in a sentence."""
WRONG: tuple[Kind, ...] = ("crash", "hang", "traceback")

_NUMBERS = (b"0", b"-1", b"nan", b"inf", b"1e999", b"99999999999999999999", b"0x7f", b"")
_WORDS = (b"null", b"true", b"[]", b"{}", b"../../x", b"\xff", b"\0", b"${a}", b"os.system", b"'")
_EXTREMES = (b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0")
_ODD: tuple[Any, ...] = (None, -1, 0, 1e308, "", "../../x", "a\0b", [], {}, [[]], True, "x" * 300)
_SENTENCE = 5
"""Most lines of a message: one for each file that a folder names."""


@dataclass(frozen=True)
class Reader:
    """Something that reads a file of the user's.

    Attributes:
        name: What the table calls it.
        seeds: Whole files, by their suffixes or names.
        read: Reads a file; raises `VidexplainError` for one that it refuses.
        mutate: Breaks a seed; the whole of it is given, and another seed to take parts from.
    """

    name: str
    seeds: Mapping[str, bytes]
    read: Callable[[Path], object]
    mutate: Callable[[bytes, bytes, random.Random], bytes]


@dataclass(frozen=True)
class Found:
    """An input that a reader did not take as it should.

    Attributes:
        reader: Its name.
        kind: What happened.
        said: The traceback, or the exit code.
        where: The kind of error and the last line of the package's own code, alike for alike ones.
        file: A copy of the input.
    """

    reader: str
    kind: Kind
    said: str
    where: str
    file: Path


def mutated_bytes(whole: bytes, other: bytes, rng: random.Random) -> bytes:
    """A binary file, broken once or a few times."""
    data = bytearray(whole)
    for _ in range(rng.choice((1, 1, 2, 4, 12))):
        at, length = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 16, 200, 5000))
        match rng.randrange(7):
            case 0 | 1 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 2:
                del data[at : at + length]
            case 3:
                start = rng.randrange(len(other) + 1)
                data[at : at + rng.choice((0, length))] = other[start : start + length]
            case 4:
                data[at : at + 4] = rng.choice(_EXTREMES)
            case 5 if rng.random() < 0.5:
                del data[at:]
            case _:
                data[at : at + length] = rng.randbytes(length)
    return bytes(data)


def mutated_text(whole: bytes, other: bytes, rng: random.Random) -> bytes:
    """A text with words and numbers in it, some of them replaced; now and then bytes as well."""
    if rng.random() < 0.2:
        return mutated_bytes(whole, other, rng)
    lines = whole.splitlines(keepends=True)
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(lines))
        words = lines[at].replace(b",", b"\0,\0").replace(b" ", b"\0 \0").replace(b"=", b"\0=\0")
        parts = words.replace(b":", b"\0:\0").rstrip(b"\n").split(b"\0")
        match rng.randrange(5):
            case 0 if len(lines) > 1:
                del lines[at]
                continue
            case 1:
                lines.insert(at, rng.choice(lines))
            case _:
                parts[rng.randrange(len(parts))] = rng.choice((*_NUMBERS, *_WORDS))
                lines[at] = b"".join(parts) + b"\n"
    return b"".join(lines)


def mutated_json(whole: bytes, other: bytes, rng: random.Random) -> bytes:
    """A file of JSON with values replaced or keys removed; now and then its text is broken."""
    if rng.random() < 0.3:
        return mutated_bytes(whole, other, rng)
    tree = json.loads(whole)
    for _ in range(rng.choice((1, 1, 2))):
        places = list(_places(tree))
        if not places:
            break
        parent, key = rng.choice(places)
        if rng.random() < 0.3:
            del parent[key]
        else:
            parent[key] = deepcopy(rng.choice(_ODD))  # it may be changed in its turn
    return json.dumps(tree).encode()


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401
    """Every parent with each of its keys."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree)) if _is_list(tree) else ()
    for key in keys:
        yield tree, key
        yield from _places(tree[key])


def _is_list(tree: object) -> bool:
    return isinstance(tree, list)


@dataclass
class Fuzzer:
    """A reader in a process of its own, started again when it has ended.

    Attributes:
        reader: What is tried.
        folder: Where inputs are written, and those kept that are not taken as they should be.
        patience: Seconds that one input may take.
        counts: How many inputs ended how.
        found: The first of each kind that was not taken as it should be.
    """

    reader: Reader
    folder: Path
    patience: float = 20.0
    counts: Counter[Kind] = field(default_factory=Counter)
    found: dict[str, Found] = field(default_factory=dict)
    _running: tuple[BaseProcess, Connection] | None = None

    def once(self, rng: random.Random) -> None:
        """Try one broken file."""
        name = rng.choice(list(self.reader.seeds))
        other = rng.choice(list(self.reader.seeds.values()))
        data = self.reader.mutate(self.reader.seeds[name], other, rng)
        path = self.folder / self.reader.name / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        kind, said = self.tried(path)
        self.counts[kind] += 1
        where = f"{kind}: {_where(said)}"
        if kind in (*WRONG, "contained") and where not in self.found:
            kept = self.folder / "found" / f"{self.reader.name}-{kind}-{self.counts.total()}-{name}"
            kept.parent.mkdir(exist_ok=True)
            kept.write_bytes(data)
            self.found[where] = Found(self.reader.name, kind, said, where, kept)

    def tried(self, path: Path) -> tuple[Kind, str]:
        """How a file is taken, and what was said."""
        process, talk = self._running = self._running or _start(self.reader.read)
        talk.send(path)
        try:
            if talk.poll(self.patience):
                answer: tuple[Kind, str] = talk.recv()
                return answer
            kind: Kind = "hang"
            process.kill()
        except (EOFError, ConnectionError):
            kind = "crash"
        process.join()
        self._running = None
        return kind, f"exit code {process.exitcode}"

    def close(self) -> None:
        """End the process."""
        if self._running is not None:
            self._running[0].kill()
            self._running[0].join()
            self._running = None


def _where(said: str) -> str:
    """What an error is alike in: its type, and the last line of ours that it went through."""
    own = re.findall(r'File ".*?/(videxplain/.*?)", line (\d+)', said)
    kinds = re.findall(r"^([\w.]+(?:Error|Exception|Warning|Exit))\b", said, re.MULTILINE)
    return " ".join([*kinds[-1:], *own[-1:][0]]) if own else said[-80:]


def _start(read: Callable[[Path], object]) -> tuple[BaseProcess, Connection]:
    """Forked from a server: a process that has threads, as this one, cannot be forked safely."""
    ours, theirs = multiprocessing.Pipe()
    process = SERVER.Process(target=_serve, args=(read, theirs, Path.cwd()), daemon=True)
    process.start()
    theirs.close()
    ours.recv()  # it has imported what it needs
    return process, ours


def _serve(read: Callable[[Path], object], talk: Connection, folder: Path) -> None:
    os.chdir(folder)
    torch.set_num_threads(1)
    talk.send("ready")
    while True:
        talk.send(_answer(read, talk.recv()))


def _answer(read: Callable[[Path], object], path: Path) -> tuple[Kind, str]:
    try:
        read(path)
    except VidexplainError as error:
        said = str(error)
        if "the decoder (" in said or "hangs the decoder" in said:
            return "contained", said
        if not said or said.count("\n") > _SENTENCE:
            return "traceback", f"no sentence: {said}"
        return "refused", said
    except BaseException:
        return "traceback", traceback.format_exc()
    return "read", ""
