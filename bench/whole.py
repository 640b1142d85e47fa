"""Whole processes side by side: the fast loop's and the post's own script, from the shell's start to its end.

    python -m bench.whole [--rounds N] [--epochs N]

Prints seconds and peak memory of each, by ratios of the same round, and where the fast loop's time goes.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from loops.commands.options import positive_int
from loops.measure.clock import Stopwatch
from loops.measure.ratios import paired_ratio

POST, FAST, WITHOUT_PAGES, ALONE = (
    "the post's script",
    "tape --fast",
    "tape --fast --no-pages",
    "TensorFlow alone",
)
START = "import tensorflow as tf; tf.zeros(1)"
# What a line of the fast loop's output says has just ended
MARKS = (
    ("starting TensorFlow", "start of Python, data, Numba's import"),
    ("fast on ", "TensorFlow's start, model and summary"),
    ("epoch 1/", "first epoch, with loading the compiled step and the first validation"),
    ("total training time", "further epochs, and the evaluation"),
    ("saved in ", "TensorBoard's pages"),
)
END = "end of the process"


class Process(NamedTuple):
    """What one process took: seconds, peak memory in KiB, and seconds until each mark of its output."""

    seconds: float
    peak: int
    marks: Mapping[str, float]


def main() -> int:
    """Run the processes in turn and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.whole", description="Time whole processes.")
    parser.add_argument("--rounds", type=positive_int, default=5, help="runs of each process (default: 5)")
    parser.add_argument("--epochs", type=positive_int, default=3, help="of each training (default: 3)")
    options = parser.parse_args()
    if options.rounds == 1:
        parser.error("--rounds must be at least 2: an interval needs two pairs")
    with tempfile.TemporaryDirectory() as folder:
        commands = commands_of(options.epochs, Path(folder))
        run(commands[FAST])  # compiles, and times the rungs, where that was not done before
        rounds = []
        for number in range(options.rounds):
            order = random.Random(number).sample(list(commands), len(commands))
            rounds.append({name: run(commands[name]) for name in order})
            print(f"round {number + 1}/{options.rounds}", file=sys.stderr)
    print("\n".join([*totals(rounds), "", *shares([each[FAST] for each in rounds])]))
    return 0


def commands_of(epochs: int, folder: Path) -> dict[str, list[str]]:
    """The command lines by their names."""
    fast = ["-m", "loops", "tape", "--fast", "--epochs", str(epochs), "--runs", str(folder)]
    return {
        POST: ["-m", "bench.post", str(epochs)],
        FAST: fast,
        WITHOUT_PAGES: [*fast, "--no-pages"],
        ALONE: ["-c", START],
    }


def run(arguments: Sequence[str]) -> Process:
    """Run Python with these arguments and read its output as it comes."""
    watch = Stopwatch()
    reading, writing = os.pipe()
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
    actions = [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_DUP2, writing, 2)]
    process = os.posix_spawn(sys.executable, [sys.executable, *arguments], environment, file_actions=actions)
    os.close(writing)
    marks: dict[str, float] = {}
    with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            for text, _ in MARKS:
                if text in line:
                    marks.setdefault(text, watch.seconds())
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"python {' '.join(arguments)} ended with {os.waitstatus_to_exitcode(status)}")
    return Process(watch.seconds(), usage.ru_maxrss, marks)


def totals(rounds: Sequence[Mapping[str, Process]]) -> list[str]:
    """Seconds and memory of each process as a Markdown table, ratios paired by round."""
    lines = ["| process | seconds | of the post's [95 %] | peak MB | above TensorFlow's, of the post's |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for name in rounds[0]:
        seconds = [each[name].seconds for each in rounds]
        ratio = paired_ratio(seconds, [each[POST].seconds for each in rounds])
        peaks = [each[name].peak for each in rounds]
        above = [_above(each, name) / _above(each, POST) for each in rounds]
        lines.append(
            f"| {name} | {min(seconds):.1f} to {max(seconds):.1f} | {ratio} "
            f"| {statistics.median(peaks) * 1024 / 1e6:,.0f} | {statistics.median(above):.2f} |"
        )
    return lines


def _above(found: Mapping[str, Process], name: str) -> int:
    return found[name].peak - found[ALONE].peak


def shares(found: Sequence[Process]) -> list[str]:
    """Where the fast loop's process spends its time, as a Markdown table of medians."""
    lines = ["| part of the process | seconds |", "| --- | --- |"]
    before = [0.0] * len(found)
    for text, what in MARKS:
        until = [each.marks[text] for each in found]
        lines.append(_share(what, before, until))
        before = until
    return [*lines, _share(END, before, [each.seconds for each in found])]


def _share(what: str, before: Sequence[float], until: Sequence[float]) -> str:
    spent = statistics.median(b - a for a, b in zip(before, until, strict=True))
    return f"| {what} | {spent:.2f} |"


if __name__ == "__main__":
    sys.exit(main())
