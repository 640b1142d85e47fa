"""Many real A/A rows: how often does the interval of two equal arms exclude 1, and is a planted 5 % seen?

    python -m bench.controls FILE.jsonl [--tables N]

Appends one line of JSON a row to the file, so that it can be stopped at any time and gone on with.
"""

import argparse
import itertools
import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

ARMS = 7  # equal arms of one table: 21 pairs, of which 3 share no arm
SLOWED = "slowed"


def main() -> int:
    """Measure tables of A/A rows."""
    parser = argparse.ArgumentParser(prog="python -m bench.controls")
    parser.add_argument("file", type=Path, metavar="FILE.jsonl")
    parser.add_argument("--tables", type=int, default=12, help="12 are one of each loop and batch size")
    parser.add_argument("--summary", action="store_true", help="measure nothing, count what the file holds")
    options = parser.parse_args()
    if options.summary:
        if not options.file.is_file():
            print(f"error: {options.file}: no such file. Measure one first.", file=sys.stderr)
            return 1
        print("\n".join(summary(_read(options.file))))
        return 0

    from loops import data, device

    device.start("cpu")
    fashion = data.load(data.find_folder(None))
    first = 1 + max((row["table"] for row in _read(options.file)), default=-1)
    for number in range(first, first + options.tables):
        print(f"table {number + 1}", flush=True)
        with options.file.open("a", encoding="utf-8") as file:
            for row in table(number, fashion):
                file.write(json.dumps(row) + "\n")
    return 0


def table(number: int, fashion: Any) -> Iterator[dict[str, Any]]:
    """The rows of the table of this number: a loop and a batch size, which take turns."""
    from bench.arms import make_arm
    from bench.steps import fixed_batch
    from bench.sweep import BATCH_SIZES, FIT, TAPE
    from loops.measure.engine import MAKES, ROUNDS
    from loops.measure.makes import Contestant, Makes, Planted
    from loops.measure.measurement import PLANTED_SHARE

    kinds = list(itertools.product(BATCH_SIZES, (FIT, TAPE)))
    batch_size, variant = kinds[number % len(kinds)]
    stream = fixed_batch(fashion, batch_size)
    names = [str(each) for each in range(ARMS)]
    arms = {name: Contestant(lambda: make_arm(variant, stream)) for name in names}
    makes = Makes(arms, Planted(SLOWED, names[0], PLANTED_SHARE), seed=number)
    for _ in range(MAKES):
        makes.time(ROUNDS)
    kind = {"table": number, "arm": variant.name, "batch_size": batch_size, "makes": MAKES, "rounds": ROUNDS}
    for one, two in itertools.combinations(names, 2):
        ratio = makes.samples[two].ratio(makes.samples[one])
        yield kind | {"arms": [int(one), int(two)], "planted": False, **asdict(ratio)}
    for other in names[1:]:
        ratio = makes.samples[SLOWED].ratio(makes.samples[other])
        yield kind | {"arms": [0, int(other)], "planted": True, **asdict(ratio)}


def summary(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table in Markdown: how many intervals of equal arms exclude 1, and how many show the planted 5 %."""
    head = ["arm, batch size", "intervals that exclude 1", "half of an interval", "planted 5 % detected"]
    kinds = dict.fromkeys((row["arm"], row["batch_size"]) for row in rows)
    lines = [
        _line(f"{arm}, {size}", [row for row in rows if (row["arm"], row["batch_size"]) == (arm, size)])
        for arm, size in kinds
    ]
    apart = [row for row in rows if row["arms"][0] % 2 == 0 and row["arms"][1] == row["arms"][0] + 1]
    lines += [_line("all", rows), _line("all that share no arm", apart)]
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines)]


def _line(name: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    equal, planted = ([row for row in rows if row["planted"] == kind] for kind in (False, True))
    off = sum(not row["low"] <= 1 <= row["high"] for row in equal)
    half = statistics.median((row["high"] - row["low"]) / 2 for row in equal)
    seen = sum(row["low"] > 1 for row in planted)
    return [name, f"{off} of {len(equal)}", f"{half:.1%}", f"{seen} of {len(planted)}"]


def _read(file: Path) -> list[dict[str, Any]]:
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    whole = lines[:-1] if lines and not lines[-1].endswith("}") else lines  # cut off while it was written
    return [json.loads(line) for line in whole]


if __name__ == "__main__":
    sys.exit(main())
