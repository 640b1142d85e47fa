"""What every row notes of itself beside its figures: the fields by which the report finds it."""

from typing import Any

from loops.device import Device


def start_row(benchmark: Any, device: Device, group: str, *, kind: str, **fields: Any) -> None:
    """Note the row's kind, its device and its own `fields` in `extra_info`, which the JSON file holds.

    `group` is the heading under which pytest-benchmark prints the row.
    """
    benchmark.group = f"{group}, {device.kind}"
    benchmark.extra_info.update(kind=kind, device=device.kind, device_name=device.name, **fields)
