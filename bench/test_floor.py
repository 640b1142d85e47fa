"""What this machine can do at best: its matrix-multiply rate and its copy bandwidth."""

from typing import Any

import tensorflow as tf

from bench import floor
from bench.harness import measure_alone
from bench.rows import start_row
from loops.device import Device
from loops.measure.arms import FunctionArm

BLOCKS = 5


def test_matrix_multiply_rate(benchmark: Any, device: Device) -> None:
    """float32 operations a second in a product of two square matrices, two a multiply-add."""
    matrix = tf.random.stateless_uniform((floor.MATRIX, floor.MATRIX), seed=(0, 0))
    arm = FunctionArm(tf.function(lambda: tf.matmul(matrix, matrix)))
    _note_rate(benchmark, device, "matrix multiply", arm, amount=2 * floor.MATRIX**3)


def test_copy_bandwidth(benchmark: Any, device: Device) -> None:
    """Bytes a second, read and written together, in a copy far larger than the caches."""
    source = tf.Variable(tf.zeros(floor.COPY_FLOATS))
    target = tf.Variable(tf.zeros(floor.COPY_FLOATS))
    arm = FunctionArm(tf.function(lambda: target.assign(source + 1.0)))
    _note_rate(benchmark, device, "copy", arm, amount=2 * floor.FLOAT_BYTES * floor.COPY_FLOATS)


def _note_rate(benchmark: Any, device: Device, name: str, arm: FunctionArm, amount: int) -> None:
    start_row(benchmark, device, "floor", kind="rate", arm=name)
    seconds = measure_alone(benchmark, arm, blocks=BLOCKS)
    if seconds is not None:
        benchmark.extra_info["per_second"] = amount / seconds
