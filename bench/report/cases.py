"""The table of readers' own cases."""

from collections.abc import Sequence

from bench.report.columns import arm, batch_size, milliseconds, rate, ratio, verdict_among
from bench.report.rows import Row, of_kind, where
from bench.report.table import Columns, Table, table_of


def case_table(rows: Sequence[Row]) -> Table:
    """Each case's step against its fit(), and whether the two compute the same."""
    columns: Columns = {
        "case": lambda row: str(row["case"]),
        "what": arm,
        "input": lambda row: "yes" if row["with_input"] else "no",
        "device": where,
        "batch": batch_size,
        "ms/step": milliseconds,
        "examples/s": rate,
        "ratio to fit [95 %]": ratio,
        "faster?": verdict_among(rows),
        "computes the same?": lambda row: str(row["verdict"]),
    }
    return table_of("Cases: your step against fit()", columns, of_kind(rows, "case"))
