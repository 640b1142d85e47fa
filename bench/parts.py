"""A training step taken apart: each part as an arm of its own, on one batch in memory."""

from collections.abc import Callable

import tensorflow as tf

from loops.measure.arms import FunctionArm
from loops.metrics import RunningMetrics

Batch = tuple[tf.Tensor, tf.Tensor]


def make_parts(model: tf.keras.Model, stream: tf.data.Dataset) -> dict[str, Callable[[], FunctionArm]]:
    """Arms by name: input, forward, forward and backward, optimizer, metrics.

    Backward alone cannot run; its time is that of "forward and backward" less that of "forward".
    """
    cross_entropy = tf.keras.losses.CategoricalCrossentropy()
    images, labels = next(iter(stream))

    def loss_of() -> tuple[tf.Tensor, tf.Tensor]:
        probabilities = model(images, training=True)
        return cross_entropy(labels, probabilities), probabilities

    def gradients_of() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss, _ = loss_of()
        return list(tape.gradient(loss, model.trainable_variables))

    def input_arm() -> FunctionArm:
        batches = iter(stream)
        return FunctionArm(lambda: next(batches))

    def optimizer_arm() -> FunctionArm:
        gradients, adam = gradients_of(), tf.keras.optimizers.Adam()
        adam.build(model.trainable_variables)
        apply = tf.function(lambda: adam.apply(gradients, model.trainable_variables))
        return FunctionArm(apply)

    def metrics_arm() -> FunctionArm:
        running, (loss, probabilities) = RunningMetrics(), loss_of()
        return FunctionArm(tf.function(lambda: running.update(loss, labels, probabilities)))

    return {
        "input": input_arm,
        "forward": lambda: FunctionArm(tf.function(loss_of)),
        "forward and backward": lambda: FunctionArm(tf.function(gradients_of)),
        "optimizer": optimizer_arm,
        "metrics": metrics_arm,
    }
