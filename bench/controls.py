"""Many real A/A rows: how often does the interval of two equal arms exclude 1, and is a planted 5 % seen?

    python -m bench.controls FILE.jsonl [--tables N]

Appends one line of JSON a row to the file, so that it can be stopped at any time and gone on with.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loops.measure.ratios import Ratio

ROWS_AT_ONCE = 4  # pairs of equal arms in one table; they share nothing but the time in which they are timed
SLOWED = "slowed"


def main() -> int:
    """Measure tables of A/A rows."""
    parser = argparse.ArgumentParser(prog="python -m bench.controls")
    parser.add_argument("file", type=Path, metavar="FILE.jsonl")
    parser.add_argument("--tables", type=int, default=12, help="12 are one of each loop and batch size")
    options = parser.parse_args()

    from loops import data, device

    device.start("cpu")
    fashion = data.load(data.find_folder(None))
    first = _tables_in(options.file)
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

    kinds = list(itertools.product((FIT, TAPE), BATCH_SIZES))
    variant, batch_size = kinds[number % len(kinds)]
    stream = fixed_batch(fashion, batch_size)
    names = [str(each) for each in range(2 * ROWS_AT_ONCE)]
    arms = {name: Contestant(lambda: make_arm(variant, stream)) for name in names}
    makes = Makes(arms, Planted(SLOWED, names[1], PLANTED_SHARE), seed=number)
    for _ in range(MAKES):
        makes.time(ROUNDS)
    kind = {"table": number, "arm": variant.name, "batch_size": batch_size, "makes": MAKES, "rounds": ROUNDS}
    for one, two in zip(names[::2], names[1::2], strict=True):
        yield kind | _row(makes.samples[two].ratio(makes.samples[one]), planted=False)
    yield kind | _row(makes.samples[SLOWED].ratio(makes.samples[names[0]]), planted=True)


def _row(ratio: Ratio, *, planted: bool) -> dict[str, Any]:
    return {"planted": planted, **asdict(ratio)}


def _tables_in(file: Path) -> int:
    """The number of the next table."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return 1 + max((int(json.loads(line)["table"]) for line in lines), default=-1)


if __name__ == "__main__":
    sys.exit(main())
