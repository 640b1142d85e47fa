"""Expected pattern: unexplained.*gradients of the loss.

A term added to the loss; fit() has a callback that changes nothing, which must not be named.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = "mse"
fit_args = {"callbacks": [keras.callbacks.TerminateOnNaN()]}


def make_model():
    return keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(1),
        ]
    )


def make_optimizer():
    return keras.optimizers.Adam(1e-3)


def batches():
    r = np.random.default_rng(0)
    for _ in range(6):
        x = r.normal(size=(32, 5)).astype("float32") * [1, 30, 400, 5000, 20000] + [0, 40, 1000, 20000, 50000]
        yield x.astype("float32"), (x[:, :1] + x[:, 1:2] / 30).astype("float32")


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        p = model(x, training=True)
        value = tf.reduce_mean((y - p) ** 2) + 0.3 * tf.reduce_mean(p)
    g = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(g, model.trainable_variables))
    return value
