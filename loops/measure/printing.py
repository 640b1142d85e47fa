"""A measurement as tables that end with its sentence and the recommended code, and as JSON."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loops.files import write_json
from loops.measure.measurement import STEP, Measurement, Row
from loops.measure.threads import SETTINGS
from loops.measure.ways.trying import Tried

HEADS = (
    "what",
    "input",
    "ms/step",
    "examples/s",
    "ratio to fit() [95 %]",
    "verdict",
    "first call s",
    "memory MiB",
)
MIB = 2**20
WIDTH = 110  # of sentences
WAYS = ("way tried", "computes", "ratio to fit()", "why")


def as_text(measured: Measurement) -> str:
    """The ways tried, the timed rows, the sentence, and the code of the way that is recommended."""
    blocks = []
    if measured.tried:
        blocks += [*_table(WAYS, [_way(tried) for tried in measured.tried]), ""]
    blocks += [*_table(HEADS, [_cells(measured, row) for row in measured.rows]), ""]
    if measured.parts:
        blocks += [measured.parts.sentence(eager=measured.eager), ""]
    if measured.retraces and measured.retraces.count:
        blocks += [*textwrap.wrap(measured.retraces.sentence(), WIDTH), ""]
    own = measured.row(STEP)
    if measured.bounds and own:
        lines = measured.bounds.lines(own.ms_per_step)
        blocks += [*(wrapped for line in lines for wrapped in textwrap.wrap(line, WIDTH)), ""]
    blocks.append(measured.sentence())
    row = measured.best_row
    if measured.best and row and row.to_step and row.to_step.high < 1:
        where = " below your step and your batches" if measured.best.with_input else " below your step"
        where = " at the end of your file" if measured.best.kind == "fit" else where
        if measured.best.code:
            blocks += ["", f"To run it so, paste this{where}:", ""]
            blocks += [f"    {line}".rstrip() for line in measured.best.code.splitlines()]
        if measured.best.threads:
            given = " ".join(f"{name}={value}" for name, value in SETTINGS[measured.best.threads].items())
            blocks += ["", f"Start your program with these threads: {given} python …"]
    return "\n".join(blocks)


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    cells = [heads, *lines]
    widths = [max(len(line[column]) for line in cells) for column in range(len(heads))]
    padded = (
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells
    )
    return [line.rstrip() for line in padded]


def _way(tried: Tried) -> tuple[str, ...]:
    ratio = "" if tried.ratio is None else f"{tried.ratio:.2f}"
    return tried.way.name, tried.grade.word, ratio, tried.grade.why


def _cells(measured: Measurement, row: Row) -> tuple[str, ...]:
    return (
        row.arm,
        "yes" if row.with_input else "no",
        f"{row.ms_per_step:.3f}",
        f"{row.examples_per_second:,.0f}",
        str(row.ratio or ""),
        measured.word(row),
        f"{row.first_call_seconds:.2f}",
        "" if row.peak_bytes is None else f"{row.peak_bytes / MIB:,.0f}",
    )


def write_measurement(measured: Measurement, path: Path, there: Mapping[str, Any] | None = None) -> None:
    """Write rows, ways, verdict and sentence as JSON; times are milliseconds and seconds.

    `there` is what the same file of the GPU's own process holds, where there was one.

    Raises:
        FileError: the file cannot be written.
    """
    write_json(path, {**asdict(measured), "sentence": measured.sentence(), "gpu": there})
