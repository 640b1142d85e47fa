"""Tables of steps against fit()'s: by variant, by batch size, with their input, and the fast loop's rungs."""

import functools
from collections.abc import Callable, Sequence

from bench.report.columns import arm, batch_size, measured, milliseconds, rate, ratio, verdict_among
from bench.report.floor import times_the_floor, times_the_sparse_floor
from bench.report.rows import Row, fastest_rungs, of_kind, where
from bench.report.table import Columns, Table, table_of
from bench.sweep import BATCH_SIZE

STEP_TIME = f"Step time at batch size {BATCH_SIZE}"
LADDER = "The ladder of the fast loop, with its input"


def step_table(rows: Sequence[Row]) -> Table:
    """Each loop variant's step at the post's batch size, against fit()'s."""
    columns: Columns = {
        "step": arm,
        "device": where,
        "ms/step": milliseconds,
        "images/s": rate,
        "ratio to fit [95 %]": ratio,
        "verdict": verdict_among(rows),
        "first call s": lambda row: f"{row['first_call_seconds']:.2f}",
    }
    return table_of(
        STEP_TIME, columns, [row for row in of_kind(rows, "step") if row["batch_size"] == BATCH_SIZE]
    )


def batch_table(rows: Sequence[Row]) -> Table:
    """The sweep: every variant that was measured at several batch sizes, without the control."""
    steps = [row for row in of_kind(rows, "step") if not row["control"]]
    columns: Columns = {
        "step": arm,
        **measured(rows),
    }
    ordered = sorted(steps, key=lambda row: (where(row), row["arm"], row["batch_size"]))
    return table_of("Step time by batch size", columns, [row for row in ordered if _is_swept(row, steps)])


def _is_swept(row: Row, steps: Sequence[Row]) -> bool:
    """Whether the row's variant was measured at more than one batch size."""
    return len({other["batch_size"] for other in steps if other["arm"] == row["arm"]}) > 1


def epoch_table(rows: Sequence[Row]) -> Table:
    """An epoch with its input pipeline, and inference."""
    columns: Columns = {
        "what": _what,
        "device": where,
        "batch": batch_size,
        "ms/step": milliseconds,
        "seconds/epoch": _seconds_per_epoch,
        "images/s": rate,
        "against": lambda row: "fit" if row["kind"] == "epoch" else "predict_on_batch",
        "ratio [95 %]": ratio,
        "verdict": verdict_among(rows),
    }
    timed = of_kind(rows, "epoch") + of_kind(rows, "inference")
    return table_of("Epoch time with its input, and inference", columns, timed)


def _what(row: Row) -> str:
    return f"{row['arm']} with input pipeline" if row["kind"] == "epoch" else f"inference, {row['arm']}"


def _seconds_per_epoch(row: Row) -> str:
    if "steps_per_epoch" not in row:
        return ""
    return f"{row['ms_per_step'] * row['steps_per_epoch'] / 1000:.2f}"


def ladder_table(rows: Sequence[Row]) -> Table:
    """The rungs of the fast loop against fit(), both with their input."""

    def times(floor: Callable[[Row, Sequence[Row]], float | None], row: Row) -> str:
        found = floor(row, rows)
        return f"{found:.1f}" if found else ""

    picked = fastest_rungs(rows)
    columns: Columns = {
        "rung": arm,
        **measured(rows),
        "times the dense floor": functools.partial(times, times_the_floor),
        "times the sparse floor": functools.partial(times, times_the_sparse_floor),
        "against fit's bits": _bits,
        "picked by --fast": lambda row: "yes" if row in picked else "",
    }
    return table_of(LADDER, columns, sorted(of_kind(rows, "rung"), key=_other_size))


def _other_size(row: Row) -> bool:
    """Sorts the post's batch size first."""
    return bool(row["batch_size"] != BATCH_SIZE)


def _bits(row: Row) -> str:
    return f"first gradients within {row['ulps']} ULP" if row["ulps"] else "bit-identical"
