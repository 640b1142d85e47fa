"""What this machine's processor does at best, measured: a product of matrices and a copy."""

import tensorflow as tf

from loops.measure.arms import FunctionArm
from loops.measure.clock import timed
from loops.measure.floor import COPY_FLOATS, FLOAT_BYTES, MATRIX, Processor
from loops.measure.warm import warm_up

BLOCKS = 5


def matrix_arm() -> tuple[FunctionArm, int]:
    """A float32 product of two square matrices, and its operations, two a multiply-add."""
    matrix = tf.random.stateless_uniform((MATRIX, MATRIX), seed=(0, 0))
    return FunctionArm(tf.function(lambda: tf.matmul(matrix, matrix))), 2 * MATRIX**3


def copy_arm() -> tuple[FunctionArm, int]:
    """A copy far larger than the caches, and its bytes, read and written together."""
    source, target = (tf.Variable(tf.zeros(COPY_FLOATS)) for _ in range(2))
    return FunctionArm(tf.function(lambda: target.assign(source + 1.0))), 2 * FLOAT_BYTES * COPY_FLOATS


def measured_processor(name: str) -> Processor:
    """The processor that trains here, by the fastest of a few blocks of each arm."""
    return Processor(name, *(_rate(*make()) for make in (matrix_arm, copy_arm)))


def _rate(arm: FunctionArm, amount: int) -> float:
    warm = warm_up(arm)
    return amount / (min(timed(warm.block) for _ in range(BLOCKS)) / warm.steps)
