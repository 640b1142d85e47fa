"""What this machine can do at best: its matrix-multiply rate and its copy bandwidth."""

from typing import Any

from bench.harness import measure_alone
from bench.rows import start_row
from loops.device import Device
from loops.measure.arms import FunctionArm
from loops.measure.rates import copy_arm, matrix_arm

BLOCKS = 5


def test_matrix_multiply_rate(benchmark: Any, device: Device) -> None:
    """float32 operations a second in a product of two square matrices, two a multiply-add."""
    _note_rate(benchmark, device, "matrix multiply", *matrix_arm())


def test_copy_bandwidth(benchmark: Any, device: Device) -> None:
    """Bytes a second, read and written together, in a copy far larger than the caches."""
    _note_rate(benchmark, device, "copy", *copy_arm())


def _note_rate(benchmark: Any, device: Device, name: str, arm: FunctionArm, amount: int) -> None:
    start_row(benchmark, device, "floor", kind="rate", arm=name)
    seconds = measure_alone(benchmark, arm, blocks=BLOCKS)
    if seconds is not None:
        benchmark.extra_info["per_second"] = amount / seconds
