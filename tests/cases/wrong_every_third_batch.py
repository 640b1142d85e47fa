"""Expected pattern: every 3rd batch.

A regression whose step counts batches, and updates in one of three.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = "mse"


def make_model():
    return keras.Sequential(
        [keras.Input((5,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)]
    )


def make_optimizer():
    return keras.optimizers.Adam(0.01)


def batches():
    r = np.random.default_rng(0)
    for n in (16, 16, 16, 9):
        x = r.normal(size=(n, 5)).astype("float32")
        yield x, x[:, :1] ** 2


counter = tf.Variable(0, dtype=tf.int32)


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        value = tf.reduce_mean((model(x, training=True) - y) ** 2)
    g = tape.gradient(value, model.trainable_variables)
    if counter % 3 == 0:
        optimizer.apply_gradients(zip(g, model.trainable_variables))
    counter.assign_add(1)
    return value
