"""Expected verdict: identical | identical within rounding.

Masked time series; constraints on the weights, gradients clipped by the optimizer, typed functions.
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from tensorflow import keras

LENGTH, CHANNELS = 10, 3
loss = keras.losses.MeanSquaredError()


def make_model() -> keras.Model:
    limits = {
        "kernel_constraint": keras.constraints.MaxNorm(0.9),
        "recurrent_constraint": keras.constraints.UnitNorm(axis=0),
    }
    x = keras.Input((LENGTH, CHANNELS))
    masked = keras.layers.Masking(-1.0)(x)
    encoded = keras.layers.Bidirectional(keras.layers.LSTM(5, return_sequences=True, **limits))(masked)
    return keras.Model(x, keras.layers.Dense(1, kernel_constraint=keras.constraints.NonNeg())(encoded))


def make_optimizer() -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(2e-2, global_clipnorm=0.1)


def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(304)
    for rows in (15, 15, 15, 8):
        x = rng.random((rows, LENGTH, CHANNELS)).astype("float32")
        x[np.arange(LENGTH) >= rng.integers(3, LENGTH + 1, (rows, 1))] = -1.0
        yield x, x[..., :1] * 2 - x[..., 1:2]


@tf.function
def train_step(model: keras.Model, optimizer: keras.optimizers.Optimizer, x, y) -> dict[str, tf.Tensor]:
    with tf.GradientTape() as tape:
        batch_loss = loss(y, model(x, training=True))
    gradients = tape.gradient(batch_loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return {"loss": batch_loss}
