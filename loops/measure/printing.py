"""A measurement as tables that end with its sentence and the recommended code, and as JSON."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loops.files import write_json
from loops.measure.measurement import STEP, Measurement, Row
from loops.measure.threads import SETTINGS
from loops.measure.ways.code import MANY
from loops.measure.ways.trying import Tried, Way

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
NOISY = "This run did not see a planted slowdown of 5 %: differences of that size mean nothing here."
MANY_STEPS = (
    f"Call {MANY} in place of your loop over an epoch, with iter() of your Dataset and the epoch's number of "
    "batches as a tf.constant. What your step returns is not kept: read losses from a metric that the step "
    "updates."
)
WAYS = ("way tried", "computes", "ratio to fit()", "why")


def as_text(measured: Measurement) -> str:
    """The ways tried, the timed rows, the sentence, and the code of the way that is recommended."""
    blocks = []
    if measured.tried:
        blocks += [*table(WAYS, [_way(tried) for tried in measured.tried]), ""]
    blocks += [*table(HEADS, [_cells(measured, row) for row in measured.rows]), ""]
    if measured.parts:
        blocks += [measured.parts.sentence(eager=measured.eager), ""]
    if measured.retraces and measured.retraces.count:
        blocks += [*textwrap.wrap(measured.retraces.sentence(), WIDTH), ""]
    own = measured.row(STEP)
    if measured.bounds and own:
        lines = measured.bounds.lines(own.ms_per_step)
        blocks += [*(wrapped for line in lines for wrapped in textwrap.wrap(line, WIDTH)), ""]
    if measured.is_noisy:
        blocks += [NOISY, ""]
    blocks.append(measured.sentence())
    row = measured.best_row
    if measured.best and row and row.to_step and row.to_step.high < 1:
        blocks += _to_paste(measured.best)
        if measured.best_own:
            (ratio,) = (tried.ratio for tried in measured.tried if tried.way == measured.best_own)
            blocks += [
                "",
                f"That is fit(). The fastest of your own step is {measured.best_own.name}: {ratio:.2f}",
            ]
            blocks += _to_paste(measured.best_own)
    return "\n".join(blocks)


def _to_paste(way: Way) -> list[str]:
    """The code of a way, where it goes, and how it is used."""
    blocks: list[str] = []
    where = " below your step and your batches" if way.with_input else " below your step"
    where = " at the end of your file" if way.kind == "fit" else where
    if way.code:
        blocks += ["", f"To run it so, paste this{where}:", ""]
        blocks += [f"    {line}".rstrip() for line in way.code.splitlines()]
    if way.kind == "many":
        blocks += ["", *textwrap.wrap(MANY_STEPS, WIDTH)]
    if way.kind == "fit" and way.compile_args:
        given = ", ".join(f"{name}={value!r}" for name, value in way.compile_args.items())
        blocks += ["", f"In a program of your own: model.compile(…, {given})"]
    if way.threads:
        given = " ".join(f"{name}={value}" for name, value in SETTINGS[way.threads].items())
        blocks += ["", f"Start your program with these threads: {given} python …"]
    return blocks


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose columns are as wide as they must be."""
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
