"""Expected pattern: sum for mean.

The step updates by an optimizer of its own, and its loss is a sum: under Adam the weights hardly show it.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = "mse"


def make_model():
    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(32, activation="tanh"), keras.layers.Dense(1)]
    )


def make_optimizer():
    return keras.optimizers.Adam(1e-3)


def batches():
    r = np.random.default_rng(0)
    for _ in range(6):
        x = r.normal(size=(32, 6)).astype("float32")
        yield x, 300 * x[:, :1]


own = keras.optimizers.Adam(1e-3)


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(keras.losses.mse(y, model(x, training=True)))
    g = tape.gradient(value, model.trainable_variables)
    own.apply_gradients(zip(g, model.trainable_variables))
    return value
