"""Running loss and accuracy of an epoch, kept on the device, for the hand-written loops."""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from loops.errors import NotFiniteError
from loops.history import Metrics, ReadMetrics


class Sums(NamedTuple):
    """The epoch's sums after each of some steps, float32 of shape (steps,); of one moment, scalars."""

    losses: Any
    hits: Any
    images: Any

    def reader(self, index: int) -> ReadMetrics:
        """A function that reads the metrics after the step of this index."""
        return lambda: _means(self.losses[index], self.hits[index], self.images[index])


def _means(losses: Any, hits: Any, images: Any) -> Metrics:
    """Keras's own division, in float32."""
    losses, hits, images = (np.float32(each) for each in (losses, hits, images))
    return {"loss": float(losses / images), "accuracy": float(hits / images)}


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
        self.add_sums(loss * images, tf.reduce_sum(tf.cast(hits, tf.float32)), images)

    def add_sums(self, loss: tf.Tensor, hits: tf.Tensor, images: tf.Tensor) -> None:
        """Add one batch by its sums: of its losses, of its right guesses, and its images, each a float32."""
        self.loss.total.assign_add(loss)
        self.loss.count.assign_add(images)
        self.accuracy.total.assign_add(hits)
        self.accuracy.count.assign_add(images)
        self._count_finite()

    def sums_after(self, losses: npt.NDArray[Any], hits: npt.NDArray[Any], images: int) -> Sums:
        """What the sums will be after each of some steps of `images` each.

        `losses` holds the loss of each step summed over its images, `hits` its right guesses, both (steps,).
        Losses are added one by one in float32, as `add` does, so that it does not matter how many
        steps one call runs.
        """
        terms = np.concatenate([np.reshape(self.loss.total, 1), losses.astype(np.float32)])
        done = np.arange(1, len(losses) + 1)
        return Sums(
            np.add.accumulate(terms, dtype=np.float32)[1:],
            (float(self.accuracy.total) + np.cumsum(hits)).astype(np.float32),
            (float(self.loss.count) + images * done).astype(np.float32),
        )

    def set(self, losses: tf.Tensor, hits: tf.Tensor, images: tf.Tensor) -> None:
        """Go on to the last of these `Sums`."""
        self._finite_steps.assign_add(tf.math.count_nonzero(tf.math.is_finite(losses)))
        self.loss.total.assign(losses[-1])
        self.accuracy.total.assign(hits[-1])
        for metric in (self.loss, self.accuracy):
            metric.count.assign(images[-1])

    @property
    def variables(self) -> tuple[Any, ...]:
        """What the metrics hold on the device."""
        return (*self.loss.variables, *self.accuracy.variables)

    def now(self) -> Sums:
        """The sums as tensors, each a scalar: a copy on the device that later steps do not change."""
        return Sums(*map(tf.identity, (self.loss.total, self.accuracy.total, self.loss.count)))

    def reader_of_now(self) -> ReadMetrics:
        """A function that reads the values of this moment later; does not wait for the device."""
        sums = self.now()
        return lambda: _means(*sums)

    def read(self) -> Metrics:
        """The values so far as Python floats; waits for the device.

        Raises:
            NotFiniteError: the loss is NaN or infinite; the step is the first where it was.
        """
        values = self.values()
        if not math.isfinite(values["loss"]):
            raise NotFiniteError(self._steps_before + int(self._finite_steps) + 1)
        return values

    def values(self) -> Metrics:
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
