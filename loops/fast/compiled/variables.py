"""A model's variables in flat arrays as the compiled step has them, and back."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from loops.fast.compiled import layout
from loops.fast.compiled.layout import Array
from loops.fast.compiled.packing import HIDDEN_SHAPE, IN_TILES, TILED, pack
from loops.metrics import RunningMetrics, Sums

FLAT = tf.TensorSpec([layout.PARAMETERS], tf.float32)
SIGNATURE = (*(FLAT, FLAT, FLAT), *[tf.TensorSpec([None], tf.float32)] * len(Sums._fields))


class Variables:
    """A model's and its Adam's variables and the metrics, read and written by one graph call each.

    Keras's own assign() costs half a millisecond a variable, more than some steps.
    """

    def __init__(
        self, model: tf.keras.Model, optimizer: tf.keras.optimizers.Adam, running: RunningMetrics
    ) -> None:
        if model.count_params() != layout.PARAMETERS:
            raise ValueError(f"the compiled step is written for {layout.PARAMETERS:,} parameters")
        # Adam has no public names for its slots
        self._kinds = model.trainable_variables, optimizer._momentums, optimizer._velocities
        self._optimizer, self._running = optimizer, running

    def read(self) -> layout.Parameters:
        """Copies in flat arrays."""
        return parameters_of(*([np.asarray(each) for each in kind] for kind in self._kinds))

    def write(self, parameters: layout.Parameters, losses: Array, hits: Array, images: int) -> Sums:
        """Assign what steps of `images` each left; `losses` and `hits` are each step's own, (steps,)."""
        sums = self._running.sums_after(losses, hits, images)
        flat = [array[: layout.PARAMETERS] for array in parameters[:3]]
        self._write(*(tf.convert_to_tensor(array) for array in (*flat, *sums)))
        return sums

    @tf.function(input_signature=SIGNATURE)  # one graph for any number of steps
    def _write(
        self,
        weights: tf.Tensor,
        momenta: tf.Tensor,
        velocities: tf.Tensor,
        losses: tf.Tensor,
        hits: tf.Tensor,
        images: tf.Tensor,
    ) -> None:
        for flat, kind in zip((weights, momenta, velocities), self._kinds, strict=True):
            parts = tf.split(flat, [each.shape.num_elements() for each in kind])
            for part, each in zip(parts, kind, strict=True):
                each.assign(_shaped(part, each.shape))
        self._optimizer.iterations.assign_add(tf.size(losses))
        self._running.set(losses, hits, images)


def parameters_of(*kinds: Sequence[Array]) -> layout.Parameters:
    """Weights and Adam's slots, or weights alone, in flat arrays, and room for copies of kernels."""
    found = layout.new_parameters()
    for array, kind in zip(found[:3], kinds, strict=False):
        array[: layout.PARAMETERS] = pack(kind)
    return found


def _shaped(flat: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """The same back."""
    if shape == HIDDEN_SHAPE:
        return tf.reshape(tf.transpose(tf.reshape(flat, [TILED[axis] for axis in IN_TILES]), IN_TILES), shape)
    return tf.reshape(flat, shape)
