"""Expected verdict: identical | identical within rounding.

The model's class writes compute_loss out as Keras has it, sample weights and penalties included.
"""

import keras
import numpy as np
from keras import ops

loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


class Written(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        scores = ops.log_softmax(y_pred, axis=-1)
        rows = -ops.take_along_axis(scores, ops.expand_dims(ops.cast(y, "int32"), -1), axis=-1)[:, 0]
        if sample_weight is not None:
            rows = rows * ops.cast(sample_weight, rows.dtype)
        return ops.mean(rows) + sum(self.losses)


def make_model():
    inputs = keras.Input((7,))
    x = keras.layers.Dense(15, activation="mish", activity_regularizer=keras.regularizers.L1(1e-3))(inputs)
    x = keras.layers.BatchNormalization()(x)
    return Written(inputs, keras.layers.Dense(5, kernel_regularizer="l2")(x))


def make_optimizer():
    return keras.optimizers.Ftrl(0.05)


def batches():
    random = np.random.default_rng(306)
    for rows in (22, 22, 22, 22, 22, 3):
        x = random.normal(size=(rows, 7)).astype("float32")
        yield x, x[:, :5].argmax(1), random.uniform(0, 2, rows).astype("float32")
