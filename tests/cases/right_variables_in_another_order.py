"""Expected verdict: identical | identical within rounding.

Two layers of one shape, whose variables the step hands over in another order.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = "mse"


def make_model():
    x = keras.Input((8,))
    a = keras.layers.Dense(8, activation="relu")
    b = keras.layers.Dense(8, activation="relu")
    return keras.Model(x, [a(x), b(x)])


def make_optimizer():
    return keras.optimizers.Adam(1e-3)


def batches():
    r = np.random.default_rng(0)
    for _ in range(6):
        x = r.normal(size=(32, 8)).astype("float32")
        yield x, (np.abs(x), x**2)


loss = ["mse", "mse"]


@tf.function
def train_step(model, optimizer, x, y):
    variables = model.layers[2].trainable_variables + model.layers[1].trainable_variables
    with tf.GradientTape() as tape:
        a, b = model(x, training=True)
        value = (
            model.compute_loss(x, y, [a, b])
            if model.compiled
            else tf.reduce_mean(keras.losses.mse(y[0], a)) + tf.reduce_mean(keras.losses.mse(y[1], b))
        )
    g = tape.gradient(value, variables)
    optimizer.apply_gradients(zip(g, variables))
    return value
