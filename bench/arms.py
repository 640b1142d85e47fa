"""The arms of our own CNN: its loop variants."""

import tensorflow as tf

from bench.sweep import Variant
from loops.measure.arms import Arm, FunctionArm
from loops.measure.fit_arm import FitArm
from loops.metrics import RunningMetrics
from loops.tape import make_train_step
from model import new_model


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
