"""The arms of our own CNN: a loop variant, or a rung of the fast loop."""

import tensorflow as tf

from bench.sweep import Variant
from loops.batches import permutation
from loops.config import TrainConfig
from loops.data import Split
from loops.fast.loop import make_steps
from loops.fast.rungs import Rung
from loops.measure.arms import Arm, FunctionArm
from loops.measure.fit_arm import FitArm
from loops.metrics import RunningMetrics
from loops.tape import make_train_step
from model import new_model


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
        model = new_model(0)
        model.compile(
            optimizer=tf.keras.optimizers.Adam(),
            loss="categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile=variant.jit_compile,
            steps_per_execution=variant.steps_per_execution,
        )
        return FitArm(model, stream, variant.steps_per_execution)
    optimizer, running = tf.keras.optimizers.Adam(), RunningMetrics()
    step = make_train_step(new_model(0), optimizer, running, jit_compile=variant.jit_compile)
    if variant.loop == "eager tape":
        step = step.python_function
    batches = iter(stream)
    return FunctionArm(lambda: step(*next(batches)))
