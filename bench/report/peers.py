"""A table of other frameworks' steps beside fit()'s and the fast loop's."""

from collections.abc import Sequence

from bench.report.columns import arm, measured
from bench.report.rows import Row, fastest_rungs, of_kind, place, ratio_of, where
from bench.report.table import Columns, Table, table_of

PEERS = "Other frameworks' steps, the same network in float32"


def peers_table(rows: Sequence[Row]) -> Table:
    """Each framework's step against fit()'s, and what the fast loop's takes of fit()'s at that batch size."""
    fastest = {(*place(row), row["batch_size"]): row for row in fastest_rungs(rows)}

    def of_ours(row: Row) -> str:
        own = fastest.get((*place(row), row["batch_size"]))
        return str(ratio_of(own)) if own else ""

    columns: Columns = {
        "framework": arm,
        "version": lambda row: str(row["version"]),
        **measured(rows),
        "tape --fast to fit, both with input [95 %]": of_ours,
    }
    ordered = sorted(of_kind(rows, "peer"), key=lambda row: (where(row), row["batch_size"], row["arm"]))
    return table_of(PEERS, columns, ordered)
