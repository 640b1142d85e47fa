"""Training by a hand-written loop: tf.function, GradientTape, Keras's Adam. The readable reference."""

import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from loops.batches import evaluation_stream, training_stream
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.errors import NotFiniteError
from loops.history import (
    EpochRecord,
    History,
    Keeper,
    Live,
    OnEpoch,
    OnStep,
    Position,
    ignore_epoch,
    ignore_step,
    keep,
)

Step = Any  # a tf.function of (images, one-hot labels) that returns nothing


def train(
    model: tf.keras.Model,
    data: FashionMnist,
    config: TrainConfig,
    on_step: OnStep = ignore_step,
    on_epoch: OnEpoch = ignore_epoch,
    keeper: Keeper | None = None,
) -> History:
    """Train `model` in place with Adam and categorical cross-entropy; validate after each epoch."""
    optimizer = tf.keras.optimizers.Adam(config.learning_rate, epsilon=config.adam_epsilon)
    running = RunningMetrics()
    train_step = make_train_step(model, optimizer, running, jit_compile=config.jit_compile)
    test_step = make_test_step(model, running, jit_compile=config.jit_compile)
    test_batches = evaluation_stream(data.test, config.batch_size)
    steps = config.steps_per_epoch(len(data.train))
    keeper = keeper or Keeper()
    keeper.begin(Live(model, optimizer, running.variables, running.read))
    at = keeper.start

    for epoch in range(at.step // steps, config.epochs):
        started = time.perf_counter() - at.seconds
        if at is keeper.start:
            batches = iter(training_stream(data.train, config, at.step))  # on the clock, as in fit()
        running.start(at.step, fresh=at.step % steps == 0)
        for step in range(at.step + 1, (epoch + 1) * steps + 1):
            train_step(*next(batches))
            on_step(step, running.read)
            if step % steps:
                started += keep(keeper, Position(step, at.epochs, time.perf_counter() - started))
        metrics = running.read()  # waits for the device, so the clock stops after the last step
        train_seconds = time.perf_counter() - started
        record = EpochRecord(epoch, metrics | validate(test_step, test_batches, running), train_seconds)
        on_epoch(record)
        at = Position((epoch + 1) * steps, (*at.epochs, record))
        keep(keeper, at)
    return History(at.epochs, optimizer)


class RunningMetrics:
    """Loss and accuracy so far, kept on the device; each image weighs the same."""

    def __init__(self) -> None:
        self.loss = tf.keras.metrics.Mean()
        self.accuracy = tf.keras.metrics.CategoricalAccuracy()
        self._finite_steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._steps_before = 0

    def update(self, loss: tf.Tensor, labels: tf.Tensor, probabilities: tf.Tensor) -> None:
        """Add one batch: its mean loss, its one-hot labels and probabilities of shape (batch, 10)."""
        self.loss.update_state(loss, sample_weight=tf.shape(labels)[0])
        self.accuracy.update_state(labels, probabilities)
        self._count_finite()

    def add(self, loss: tf.Tensor, labels: tf.Tensor, probabilities: tf.Tensor) -> None:
        """Add one batch as `update` does, to the same bits in fewer ops; `labels` are classes, (batch,)."""
        images = tf.cast(tf.shape(labels)[0], tf.float32)
        hits = tf.equal(tf.argmax(probabilities, axis=-1), tf.cast(labels, tf.int64))
        self.loss.total.assign_add(loss * images)
        self.loss.count.assign_add(images)
        self.accuracy.total.assign_add(tf.reduce_sum(tf.cast(hits, tf.float32)))
        self.accuracy.count.assign_add(images)
        self._count_finite()

    def totals(self, losses: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """The sum of losses after each step, added one by one as `add` does, in however many calls."""
        terms = np.concatenate([np.reshape(self.loss.total, 1), losses.astype(np.float32)])
        return np.add.accumulate(terms, dtype=np.float32)[1:]

    def add_steps(self, totals: tf.Tensor, hits: tf.Tensor, images: tf.Tensor) -> None:
        """Add steps of `images` each: the sum of losses after each, and each one's hits, (steps,) both."""
        self._finite_steps.assign_add(tf.math.count_nonzero(tf.math.is_finite(totals)))
        self.loss.total.assign(totals[-1])
        self.accuracy.total.assign_add(tf.cast(tf.reduce_sum(hits), tf.float32))
        for metric in (self.loss, self.accuracy):
            metric.count.assign_add(tf.cast(images * tf.size(totals), tf.float32))

    @property
    def variables(self) -> tuple[Any, ...]:
        """What the metrics hold on the device."""
        return (*self.loss.variables, *self.accuracy.variables)

    def read(self) -> dict[str, float]:
        """The values so far as Python floats; waits for the device.

        Raises:
            NotFiniteError: the loss is no finite number; the step is the first where it was not.
        """
        values = self.values()
        if not math.isfinite(values["loss"]):
            raise NotFiniteError(self._steps_before + int(self._finite_steps) + 1)
        return values

    def values(self) -> dict[str, float]:
        """The values so far, finite or not."""
        return {"loss": float(self.loss.result()), "accuracy": float(self.accuracy.result())}

    def start(self, step: int, *, fresh: bool) -> None:
        """Go on after global step `step`: with nothing in the sums if `fresh`, else with what they hold."""
        if fresh:
            self.reset()
        self._finite_steps.assign(0)
        self._steps_before = step

    def reset(self) -> None:
        """Forget all batches."""
        self.loss.reset_state()
        self.accuracy.reset_state()

    def _count_finite(self) -> None:
        """Once a loss is not finite the sum is not either, so this counts the steps before it."""
        finite = tf.math.is_finite(tf.convert_to_tensor(self.loss.total))
        self._finite_steps.assign_add(tf.cast(finite, tf.int64))


def make_train_step(
    model: tf.keras.Model,
    optimizer: tf.keras.Optimizer,
    running: RunningMetrics,
    *,
    jit_compile: bool = False,
) -> Step:
    """Compile one step: forward, loss, gradients, Adam, metrics.

    The step takes float32 images (batch, 28, 28, 1) and one-hot labels (batch, 10).
    """
    cross_entropy = tf.keras.losses.CategoricalCrossentropy()
    optimizer.build(model.trainable_variables)  # slots exist before tracing: a graph cannot make them

    @tf.function(jit_compile=jit_compile, reduce_retracing=True)
    def train_step(images: tf.Tensor, labels: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            probabilities = model(images, training=True)
            loss = sum(model.losses, cross_entropy(labels, probabilities))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        running.update(loss, labels, probabilities)

    return train_step


def make_test_step(model: tf.keras.Model, running: RunningMetrics, *, jit_compile: bool = False) -> Step:
    """Compile one validation step: forward, loss, metrics."""
    cross_entropy = tf.keras.losses.CategoricalCrossentropy()

    @tf.function(jit_compile=jit_compile, reduce_retracing=True)
    def test_step(images: tf.Tensor, labels: tf.Tensor) -> None:
        probabilities = model(images, training=False)
        loss = sum(model.losses, cross_entropy(labels, probabilities))
        running.update(loss, labels, probabilities)

    return test_step


def validate(test_step: Step, batches: tf.data.Dataset, running: RunningMetrics) -> dict[str, float]:
    """Loss and accuracy over `batches` as val_loss and val_accuracy; `running` ends holding them."""
    running.reset()
    for batch in batches:
        test_step(*batch)
    return {f"val_{name}": value for name, value in running.values().items()}
