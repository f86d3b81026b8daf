"""Broken files end in a sentence: a few of each kind here, many by ``scripts/fuzz.py``."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from tests.fuzzed_readers import readers
from tests.fuzzing import WRONG, Fuzzer, Kind, Reader, mutated_bytes
from videxplain.errors import DataError, OutputError
from videxplain.sinks import places
from videxplain.sinks.arrays import write_arrays
from videxplain.sinks.disk import DiskSink, load_attribution
from videxplain.sinks.files import write_json
from videxplain.types import Record

INPUTS = {
    "video": 200,
    "frames": 1000,
    "boxes": 500,
    "checkpoint": 1000,
    "configuration": 25,
    "command line": 20,
    "metrics asked for": 30,
    "attribution": 300,
    "result": 300,
    "record": 300,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def known(folder: Path) -> dict[str, Reader]:
    return {reader.name: reader for reader in readers(folder / "made")}


@pytest.mark.parametrize("name", INPUTS)
def test_broken_files_end_in_a_sentence(
    name: str, known: dict[str, Reader], tmp_path: Path
) -> None:
    fuzzer = Fuzzer(known[name], tmp_path)
    for seed, whole in known[name].seeds.items():
        (tmp_path / seed).write_bytes(whole)
        assert fuzzer.tried(tmp_path / seed) == ("read", ""), "a whole file is refused"
    rng = random.Random(0)
    for _ in range(INPUTS[name]):
        fuzzer.once(rng)
    fuzzer.close()
    assert not [each.said for each in fuzzer.found.values() if each.kind in WRONG]
    assert fuzzer.counts["refused"] > 0


def die(_: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(_: Path) -> None:
    time.sleep(60)


def stumble(path: Path) -> None:
    raise ValueError(path)


def refuse(path: Path) -> None:
    raise DataError(f"{path} is broken: mend it")  # noqa: EM102, TRY003


@pytest.fixture
def fuzz(tmp_path: Path) -> Iterator[Callable[..., Fuzzer]]:
    made: list[Fuzzer] = []

    def make(read: Callable[[Path], object]) -> Fuzzer:
        reader = Reader("it", {"a": b"something whole"}, read, mutated_bytes)
        made.append(Fuzzer(reader, tmp_path, patience=0.5))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (die, "crash"),
        (sleep, "hang"),
        (stumble, "traceback"),
        (refuse, "refused"),
        (Path.read_bytes, "read"),
    ],
)
def test_what_a_reader_does_is_seen(
    fuzz: Callable[..., Fuzzer], read: Callable[[Path], object], kind: Kind
) -> None:
    fuzzer = fuzz(read)
    for _ in range(2):
        fuzzer.once(random.Random(0))
    assert fuzzer.counts == {kind: 2}
    assert len(fuzzer.found) == (kind in WRONG), "alike ones are kept once"
    assert all(each.file.is_file() for each in fuzzer.found.values())


def test_what_fuzzing_found_in_names_of_arrays_and_keys(tmp_path: Path) -> None:
    """A byte of a name changed: an archive that lacks an array, a record that says more."""
    np.savez(tmp_path / "a.npz", values=np.zeros((1, 1, 2, 2, 2)), target=0, areas=[], signee=True)
    with pytest.raises(OutputError, match=r"a\.npz cannot be read \(it lacks 'signed'\)"):
        load_attribution(tmp_path / "a.npz")
    row = asdict(Record("a", None, None, "b", "c", 0.5, {})) | {"probabilitn": 1}
    sink = DiskSink(tmp_path, tmp_path)
    write_arrays(places.archive(tmp_path, "a"), {})
    write_json(places.record(tmp_path, "a"), {"clip": "a", "pixels": None, "records": [row]})
    assert sink.records("a") == [Record("a", None, None, "b", "c", 0.5, {})]
