"""How far a step is from the least that it can cost on its machine."""

from collections.abc import Sequence

from bench.report.columns import arm, batch_size
from bench.report.rows import Row, of_kind, place, where
from bench.report.table import Columns, Table, table_of
from loops.measure.floor import floor_seconds


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


def times_the_floor(row: Row, rows: Sequence[Row]) -> float | None:
    """A step's time over its floor; None where the machine's rates were not measured."""
    rates = {rate["arm"]: rate["per_second"] for rate in of_kind(rows, "rate") if place(rate) == place(row)}
    if len(rates) < 2:
        return None
    floor = floor_seconds(row["flops"], row["bytes"], rates["matrix multiply"], rates["copy"])
    return float(row["ms_per_step"] / 1000 / floor)
