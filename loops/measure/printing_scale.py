"""What was found of a case on several workers, as a table, a sentence and the code; and as JSON."""

import textwrap
from dataclasses import asdict
from pathlib import Path

from loops.files import write_json
from loops.measure.measurement import short
from loops.measure.printing import WIDTH, table
from loops.measure.scale import Scaled, Scaling
from loops.measure.ways.shared_step import STRATEGY

WARNING = (
    "This code does not compute what your step does, or not the same on all workers (see above): what it "
    "trains depends on the number of workers, and each may hold other variables. It shows the form only."
)
CONDITIONS = (
    "Start the program once for each worker, with TF_CONFIG (docs/scaling.md). Every process must make the "
    "same model, which check_same_start looks at, and read the same batches in the same order: set the same "
    "seed everywhere. Set TF_NUM_INTRAOP_THREADS=1 for bits that do not depend on the number of cores."
)
HEADS = (
    "what",
    "ms/step",
    "ratio to fit() [95 %]",
    "ratio to 1 worker [95 %]",
    "efficiency",
    "sending",
    "bits of 1 worker",
)


def as_text(found: Scaling) -> str:
    """The rows, what they come to, and what must change in the step."""
    told = [
        ("fit()", f"{found.fit_ms:.3f}", "", "", "", "", ""),
        ("fit() again", "", str(found.control), "", "", "", ""),
        ("your step", "", str(found.step), "", "", "", ""),
        *map(_cells, found.rows),
    ]
    kib = found.bytes_gathered / 2**10
    blocks = [
        *table(HEADS, told),
        "",
        f"each worker gets {found.shards} gradients of {found.numbers:,} numbers a step, {kib:,.0f} KiB",
        "",
        *(line for each in _sentences(found) for line in textwrap.wrap(each, WIDTH)),
        "",
        *([] if _is_good(found) else [*textwrap.wrap(WARNING, WIDTH), ""]),
        "At the top of your program, before TensorFlow computes anything:",
        "",
        f"    {STRATEGY}",
        "",
        "and below your step:",
        "",
        *(f"    {line}".rstrip() for line in found.code.splitlines()),
        "",
        *textwrap.wrap(CONDITIONS, WIDTH),
    ]
    return "\n".join(blocks)


def _is_good(found: Scaling) -> bool:
    return found.grade.passed and all(row.same_bits for row in found.rows)


def _cells(row: Scaled) -> tuple[str, ...]:
    return (
        f"{row.workers} worker{'' if row.workers == 1 else 's'}",
        f"{row.ms_per_step:.3f}",
        str(row.to_fit),
        "" if row.to_one is None else str(row.to_one),
        "" if row.to_one is None else f"{1 / (row.workers * row.to_one.median):.0%}",
        "" if row.gather_share is None else f"{row.gather_share:.0%}",
        "" if row.to_one is None else "yes" if row.same_bits else "no",
    )


def _sentences(found: Scaling) -> list[str]:
    """What the table comes to: the same weights or not, and the cost."""
    told = []
    because = f" ({'; '.join(found.reasons)})" if found.reasons else ""
    for row in found.rows:
        if row.to_one is None:
            continue
        bits = "the weights of one, to the bit" if row.same_bits else f"other weights than one{because}"
        cost = f"a step takes {short(row.to_one)} of one worker's time"
        told.append(f"{row.workers} workers end at {bits}; {cost}.")
    same = f"what your step does: {found.grade.word}"
    if not found.grade.passed:
        same = f"something else than your step{because}: {found.grade.why}"
    told.append(f"One worker with {found.shards} shards computes {same}.")
    told.append(f"Does your step compute the same as fit()? {found.verdict}")
    return told


def write_scaling(found: Scaling, path: Path) -> None:
    """Write all figures as JSON; times are milliseconds.

    Raises:
        FileError: the file cannot be written.
    """
    write_json(
        path, {**asdict(found), "bytes_gathered": found.bytes_gathered, "sentences": _sentences(found)}
    )
