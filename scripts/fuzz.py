"""Do broken files end in a sentence? ``python scripts/fuzz.py --seconds 600 --seed 0``.

Breaks small files of every kind that the package reads, gives them to their readers in turn, and
prints how many were read, refused, or stopped the decoder's own process (contained), and how many
crashed, hung, or ended in a traceback, which none should. Inputs of the last kinds are kept.
"""

import argparse
import random
import sys
import time
from itertools import cycle
from pathlib import Path
from typing import Any

from tabulate import tabulate

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.fuzzed_readers import readers  # noqa: E402
from tests.fuzzing import WRONG, Fuzzer, Kind  # noqa: E402

_SHOWN = 1500
"""Letters of a traceback that are printed."""
_COLUMNS: tuple[Kind, ...] = ("read", "refused", "contained", *WRONG)


def main() -> None:
    """Fuzz for a while, then print; the exit code is 1 where something was found."""
    arguments = _arguments()
    rng = random.Random(arguments.seed)
    folder = arguments.folder / f"seed_{arguments.seed}"
    every = [
        Fuzzer(reader, folder)
        for reader in readers(folder / "made")
        if not arguments.readers or reader.name in arguments.readers
    ]
    ends = time.monotonic() + arguments.seconds
    for fuzzer in cycle(every):
        until = min(ends, time.monotonic() + 1)  # each reader the same time, however slow it is
        while time.monotonic() < until:
            fuzzer.once(rng)
        if time.monotonic() >= ends:
            break
    for fuzzer in every:
        fuzzer.close()
    _print(every)
    sys.exit(any(each.kind in WRONG for fuzzer in every for each in fuzzer.found.values()))


def _print(every: list[Fuzzer]) -> None:
    for found in (each for fuzzer in every for each in fuzzer.found.values()):
        print(f"{found.reader}, {found.where}\n{found.said[-_SHOWN:]}\n{found.file}\n")
    rows: list[dict[str, Any]] = [
        {"reader": each.reader.name, "tried": each.counts.total()}
        | {kind: each.counts[kind] for kind in _COLUMNS}
        for each in every
    ]
    total = {key: sum(row[key] for row in rows) for key in ("tried", *_COLUMNS)}
    print(tabulate([*rows, {"reader": "all", **total}], headers="keys", tablefmt="github"))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=ROOT / "outputs" / "fuzz")
    parser.add_argument("--readers", nargs="*", help="names in the table; all if not given")
    return parser.parse_args()


if __name__ == "__main__":
    main()
