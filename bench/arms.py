"""What is timed: an arm runs K training steps of one loop variant and returns when the device is done."""

import time
from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from bench.fit_arm import FitArm
from bench.sweep import Variant
from loops.batches import permutation
from loops.config import TrainConfig
from loops.data import Split
from loops.fast.loop import make_steps
from loops.fast.rungs import Rung
from loops.metrics import RunningMetrics
from loops.tape import make_train_step
from model import new_model


class Arm(Protocol):
    """Something that trains in blocks."""

    def run(self, steps: int) -> None:
        """Train `steps` steps and wait for the device."""

    def close(self) -> None:
        """Stop and let go of the model."""


class FunctionArm:
    """An arm that calls one function a step."""

    def __init__(self, step: Callable[[], object]) -> None:
        self._step = step

    def run(self, steps: int) -> None:
        """Call the function `steps` times and wait for the device."""
        for _ in range(steps):
            self._step()
        tf.test.experimental.sync_devices()

    def close(self) -> None:
        """Nothing runs between blocks."""


class DelayedArm:
    """Another arm with a planted delay, to see whether the clock shows it."""

    def __init__(self, arm: Arm, seconds_per_step: float) -> None:
        self._arm, self._seconds_per_step = arm, seconds_per_step

    def run(self, steps: int) -> None:
        """Train `steps` steps, wait for the device, then sleep."""
        self._arm.run(steps)
        time.sleep(steps * self._seconds_per_step)

    def close(self) -> None:
        """Close the other arm."""
        self._arm.close()


class FastArm:
    """Steps of the fast loop, all of a block in one call; goes round its own order of images."""

    def __init__(self, rung: Rung, split: Split, batch_size: int) -> None:
        config = TrainConfig(batch_size=batch_size)
        optimizer = tf.keras.optimizers.Adam()
        self._steps, _ = make_steps(new_model(0), optimizer, RunningMetrics(), split, config, rung)
        self._order = permutation(len(split), config.seed, 0)
        self._in_epoch = len(split) // batch_size

    def run(self, steps: int) -> None:
        """Train `steps` steps, in as many calls as epochs they span, and wait for the device."""
        while steps > 0:
            count = min(steps, self._in_epoch)
            self._steps(self._order, tf.constant(0), tf.constant(count))
            steps -= count
        tf.test.experimental.sync_devices()

    def close(self) -> None:
        """Nothing runs between blocks."""


def make_arm(variant: Variant, stream: tf.data.Dataset) -> Arm:
    """An arm with a fresh model on an endless `stream` of (images, one-hot labels)."""
    if variant.loop == "fit":
        return FitArm(variant, stream)
    optimizer, running = tf.keras.optimizers.Adam(), RunningMetrics()
    step = make_train_step(new_model(0), optimizer, running, jit_compile=variant.jit_compile)
    if variant.loop == "eager tape":
        step = step.python_function
    batches = iter(stream)
    return FunctionArm(lambda: step(*next(batches)))
