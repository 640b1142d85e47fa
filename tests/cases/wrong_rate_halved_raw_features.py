"""Expected pattern: learning rate.

Silent is fine. Raw features into BatchNormalization, whose moving variance travels so far that it hides all
else in one common norm; the step sets half the learning rate.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = "mse"


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
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    optimizer.learning_rate.assign(5e-4)  # half
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(tf.reduce_mean((y - model(x, training=True)) ** 2, axis=0))
    g = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(g, model.trainable_variables))
    return value
