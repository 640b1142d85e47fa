"""What a row says of itself: its kind, where it was measured, its ratio and its A/A control."""

from collections.abc import Mapping, Sequence
from typing import Any

from loops.measure.ratios import Ratio

Row = Mapping[str, Any]  # the `extra_info` of one benchmark


def of_kind(rows: Sequence[Row], kind: str) -> list[Row]:
    """The rows of one kind."""
    return [row for row in rows if row["kind"] == kind]


def place(row: Row) -> tuple[str, str, str]:
    """Which machine (the file it came from), which kind of device, which model of it."""
    return row.get("machine", ""), row["device"], row["device_name"]


def several_machines(rows: Sequence[Row]) -> bool:
    """Whether a device's kind alone would not tell rows apart."""
    return len({row.get("machine") for row in rows}) > 1


def where(row: Row) -> str:
    """The device as the tables name it."""
    return str(row.get("where", row["device"]))


def ratio_of(row: Row) -> Ratio:
    """The ratio that a row carries."""
    return Ratio(row["ratio"], row["ratio_low"], row["ratio_high"], row["pairs"])


def control_of(rows: Sequence[Row], row: Row) -> Ratio | None:
    """The A/A control of the row's device: of its kind and at its batch size if there is one, else any."""
    controls = [other for other in rows if other.get("control") and place(other) == place(row)]
    like = ("kind", "case", "with_input", "batch_size")
    controls.sort(key=lambda other: [other.get(key) != row.get(key) for key in like])
    return ratio_of(controls[0]) if controls else None


def fastest_rungs(rows: Sequence[Row]) -> list[Row]:
    """The fastest rung of each device and batch size: the one that `tape --fast` would pick there."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in of_kind(rows, "rung"):
        key = (*place(row), row["batch_size"])
        if key not in found or row["ratio"] < found[key]["ratio"]:
            found[key] = row
    return list(found.values())
