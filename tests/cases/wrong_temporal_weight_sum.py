"""Expected pattern: sample.?weight|sum of (the )?weights|divisor.

A weight for every time step: fit() divides by the number of steps, the loop by the sum of their weights.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

LENGTH = 9
loss = keras.losses.MeanAbsoluteError()


def make_model():
    x = keras.Input((LENGTH, 3))
    h = keras.layers.Conv1D(10, 3, padding="same", activation="relu")(x)
    h = keras.layers.Conv1D(10, 3, padding="same", activation="relu")(h)
    return keras.Model(x, keras.layers.Dense(2)(h))


def make_optimizer():
    return keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True)


def batches():
    random = np.random.default_rng(209)
    for rows in (14, 14, 14, 5):
        x = random.normal(size=(rows, LENGTH, 3)).astype("float32")
        weights = 0.8 ** np.arange(LENGTH)[None] * random.integers(0, 3, (rows, 1))
        yield x, np.cumsum(x[..., :2], axis=1), weights.astype("float32")


@tf.function
def train_step(model, optimizer, x, y, sample_weight):
    with tf.GradientTape() as tape:
        error = tf.reduce_mean(tf.abs(y - model(x, training=True)), axis=-1)
        value = tf.reduce_sum(error * sample_weight) / tf.reduce_sum(sample_weight)
    gradients = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return {"loss": value}
