"""Expected pattern: learning.?rate|callback|schedule|plateau.

fit() gets ReduceLROnPlateau on the loss of noise, which hardly falls; the loop keeps its rate.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

fit_args = {
    "callbacks": [keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.1, patience=1, min_delta=0.5)]
}
loss = "mse"
mse = keras.losses.MeanSquaredError()


def make_model():
    return keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(10, activation="tanh"), keras.layers.Dense(1)]
    )


def make_optimizer():
    return keras.optimizers.Adam(0.02)


def batches():
    random = np.random.default_rng(314)
    for rows in (32, 32, 14):
        yield random.normal(size=(rows, 4)).astype("float32"), random.normal(size=(rows, 1)).astype("float32")


def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        error = mse(y, model(x, training=True))
    optimizer.apply_gradients(zip(tape.gradient(error, model.trainable_variables), model.trainable_variables))
    return {"loss": error}
