"""A measurement as a table that ends with its sentence, and as JSON."""

from dataclasses import asdict
from pathlib import Path

from loops.files import write_json
from loops.measure.measurement import Measurement, Row

HEADS = ("what", "input", "ms/step", "examples/s", "ratio to fit() [95 %]", "verdict", "first call s")


def as_text(measured: Measurement) -> str:
    """The table, what was refused with the reason, and the sentence."""
    cells = [HEADS, *(_cells(measured, row) for row in measured.rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADS))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells]
    lines += [f"{arm}: refused, {why}" for arm, why in measured.refused.items()]
    return "\n".join(line.rstrip() for line in [*lines, "", measured.sentence()])


def _cells(measured: Measurement, row: Row) -> tuple[str, ...]:
    return (
        row.arm,
        "yes" if row.with_input else "no",
        f"{row.ms_per_step:.3f}",
        f"{row.examples_per_second:,.0f}",
        str(row.ratio or ""),
        measured.word(row),
        f"{row.first_call_seconds:.2f}",
    )


def write_measurement(measured: Measurement, path: Path) -> None:
    """Write rows, refusals, verdict and sentence as JSON; times are milliseconds and seconds.

    Raises:
        FileError: the file cannot be written.
    """
    write_json(path, {**asdict(measured), "sentence": measured.sentence()})
