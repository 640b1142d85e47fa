"""What this machine can do at best, and what of a step's products is needed: the two floors of a step."""

from typing import Any

from bench.harness import measure_alone
from bench.needed import IMAGES, dense_macs
from bench.rows import start_row
from loops.device import Device
from loops.measure.arms import FunctionArm
from loops.measure.rates import copy_arm, matrix_arm
from model import new_model

BLOCKS = 5


def test_matrix_multiply_rate(benchmark: Any, device: Device) -> None:
    """float32 operations a second in a product of two square matrices, two a multiply-add."""
    _note_rate(benchmark, device, "matrix multiply", *matrix_arm())


def test_copy_bandwidth(benchmark: Any, device: Device) -> None:
    """Bytes a second, read and written together, in a copy far larger than the caches."""
    _note_rate(benchmark, device, "copy", *copy_arm())


def test_needed_products(benchmark: Any, device: Device, needed: dict[str, float]) -> None:
    """What of a step's products pooling, ReLU and the images' own zeros leave to be done."""
    start_row(benchmark, device, "floor", kind="needed", arm="products", images=IMAGES)
    parts = benchmark.pedantic(_beside_dense, args=(needed,), rounds=1)
    benchmark.extra_info.update(parts=parts)
    assert all(0 < part["needed"] <= part["dense"] for part in parts.values())


def _beside_dense(needed: dict[str, float]) -> dict[str, dict[str, float]]:
    dense = dense_macs(new_model(0))
    return {name: {"dense": dense[name], "needed": count} for name, count in needed.items()}


def _note_rate(benchmark: Any, device: Device, name: str, arm: FunctionArm, amount: int) -> None:
    start_row(benchmark, device, "floor", kind="rate", arm=name)
    seconds = measure_alone(benchmark, arm, blocks=BLOCKS)
    if seconds is not None:
        benchmark.extra_info["per_second"] = amount / seconds
