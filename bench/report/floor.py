"""How far a step is from the least that it can cost on its machine."""

from collections.abc import Sequence

from bench.report.columns import arm, batch_size
from bench.report.rows import Row, of_kind, place, where
from bench.report.table import Columns, Table, table_of
from bench.sweep import BATCH_SIZE
from loops.measure.floor import floor_seconds

NEEDED = "What of a step's products is needed"


def floor_table(rows: Sequence[Row]) -> Table:
    """How many times the least possible each step takes, by this machine's own measured rates."""
    with_times = [{**row, "times": times_the_floor(row, rows)} for row in of_kind(rows, "step")]
    columns: Columns = {
        "step": arm,
        "device": where,
        "batch": batch_size,
        "GFLOP": lambda row: f"{row['flops'] / 1e9:.2f}",
        "floor ms": lambda row: f"{row['ms_per_step'] / row['times']:.2f}",
        "times the floor": lambda row: f"{row['times']:.1f}",
    }
    rates = "; ".join(map(_rate, of_kind(rows, "rate")))
    measured = [row for row in with_times if row["times"]]
    return table_of(f"Distance to the floor ({rates})", columns, measured)


def _rate(row: Row) -> str:
    unit = "GFLOP/s" if row["arm"] == "matrix multiply" else "GB/s"
    return f"{where(row)}: {row['arm']} {row['per_second'] / 1e9:,.0f} {unit}"


def needed_table(rows: Sequence[Row]) -> Table:
    """What of a dense step's products is needed, by part of the step: what the sparse floor is made of."""
    parts: list[Row] = []
    for row in of_kind(rows, "needed"):
        found = [{**row, "part": name, **counts} for name, counts in row["parts"].items()]
        whole = {key: sum(part[key] for part in found) for key in ("dense", "needed")}
        parts += [*found, {**row, "part": "the whole step", **whole}]
    columns: Columns = {
        "part of the step": lambda row: str(row["part"]),
        "device": where,
        "MFLOP an image, dense": lambda row: f"{2 * row['dense'] / 1e6:.3f}",
        "needed": lambda row: f"{2 * row['needed'] / 1e6:.3f}",
        "share": lambda row: f"{row['needed'] / row['dense']:.2f}",
        f"sparse floor ms at {BATCH_SIZE}": lambda row: _sparse_milliseconds(row, rows),
    }
    return table_of(NEEDED, columns, parts)


def _sparse_milliseconds(part: Row, rows: Sequence[Row]) -> str:
    rates = _rates(part, rows)
    if "matrix multiply" not in rates:
        return ""
    return f"{1000 * 2 * BATCH_SIZE * part['needed'] / rates['matrix multiply']:.2f}"


def times_the_floor(row: Row, rows: Sequence[Row]) -> float | None:
    """A step's time over the floor of a dense step; None where the machine's rates were not measured."""
    return _times(row, rows, row["flops"])


def times_the_sparse_floor(row: Row, rows: Sequence[Row]) -> float | None:
    """A step's time over the floor of what is needed; None where that was not counted."""
    return _times(row, rows, row["needed_flops"]) if "needed_flops" in row else None


def _times(row: Row, rows: Sequence[Row], flops: float) -> float | None:
    rates = _rates(row, rows)
    if len(rates) < 2:
        return None
    floor = floor_seconds(flops, row["bytes"], rates["matrix multiply"], rates["copy"])
    return float(row["ms_per_step"] / 1000 / floor)


def _rates(row: Row, rows: Sequence[Row]) -> dict[str, float]:
    """The rates of the row's machine, by what was timed."""
    return {rate["arm"]: rate["per_second"] for rate in of_kind(rows, "rate") if place(rate) == place(row)}
