"""Expected verdict: targets (n,) against predictions (n, 1).

As in tensorflow/tensorflow issue 46782: one dense layer learns y = 0.1 (x1 + … + x4) by fit(),
and a constant by the loop.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

_x = np.random.default_rng(0).uniform(0, 1, (64, 4)).astype("float32")


def make_model():
    return keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])


def make_optimizer():
    return keras.optimizers.Adam(0.01)


loss = "mse"


def batches():
    return tf.data.Dataset.from_tensor_slices((_x, 0.1 * _x.sum(axis=1))).batch(16)


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        error = tf.reduce_mean(tf.square(y - model(x, training=True)))
    gradients = tape.gradient(error, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    return error
