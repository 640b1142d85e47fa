"""Tables of what a training costs: with scale, in memory, for keeping it, and where a step goes."""

from collections.abc import Sequence

from bench.report.columns import arm, milliseconds, ratio
from bench.report.rows import Row, of_kind, where
from bench.report.table import Columns, Table, table_of
from bench.sweep import BATCH_SIZE

KIB = 2**10


def scale_table(rows: Sequence[Row]) -> Table:
    """How much dearer a step gets, against what images drawn or operations counted would say."""
    columns: Columns = {
        "what": arm,
        "device": where,
        "ms/step": milliseconds,
        "ratio to the plain step [95 %]": ratio,
        "by operations": lambda row: f"{row['expected']:.2f}",
    }
    return table_of(f"Cost against scale, batch size {BATCH_SIZE}", columns, of_kind(rows, "scale"))


def memory_table(rows: Sequence[Row]) -> Table:
    """What a training holds of memory as steps go on."""
    columns: Columns = {
        "loop": arm,
        "device": where,
        "steps": lambda row: f"{row['first_steps']} to {row['steps']}",
        "growth KiB": lambda row: f"{row['grown_bytes'] / KIB:+,.0f}",
    }
    return table_of("Memory over steps", columns, of_kind(rows, "memory"))


def keeping_table(rows: Sequence[Row]) -> Table:
    """A save and an epoch's curves, as shares of an epoch's time."""
    columns: Columns = {
        "what": arm,
        "device": where,
        "ms an epoch": lambda row: f"{row['ms_per_step']:.1f}",
        "share of an epoch [95 %]": _share_of_an_epoch,
    }
    return table_of("Cost of keeping a training", columns, of_kind(rows, "keeping"))


def _share_of_an_epoch(row: Row) -> str:
    """The row's ratio is to one step, of which an epoch has many."""
    low, middle, high = (row[key] / row["steps_per_epoch"] for key in ("ratio_low", "ratio", "ratio_high"))
    return f"{middle:.2%} [{low:.2%}, {high:.2%}]"


def part_table(rows: Sequence[Row]) -> Table:
    """Where the tape's step goes, as shares of the whole step."""
    body = []
    parts = of_kind(rows, "part")
    for device in dict.fromkeys(map(where, parts)):
        shares = step_shares([row for row in parts if where(row) == device])
        body += [[part, device, f"{share:.1%}"] for part, share in shares.items()]
        body += [["sum", device, f"{sum(shares.values()):.1%}"]]
    title = f"Where a step goes (tape, batch size {BATCH_SIZE})"
    return Table(title, ["part", "device", "share of the step"], body)


def step_shares(parts: Sequence[Row]) -> dict[str, float]:
    """Shares by part; backward is "forward and backward" less "forward"."""
    ratios = {row["arm"]: row["ratio"] for row in parts}
    if "forward" in ratios and "forward and backward" in ratios:
        ratios["backward"] = ratios.pop("forward and backward") - ratios["forward"]
    order = ("input", "forward", "backward", "optimizer", "metrics")
    return {part: ratios[part] for part in order if part in ratios}
