"""Expected verdict: identical | identical within rounding.

ReduceLROnPlateau on the training loss; the loop keeps the epoch's mean and lowers the rate by the same rule.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

FACTOR, PATIENCE, MIN_DELTA = 0.4, 1, 0.05
callback = keras.callbacks.ReduceLROnPlateau(
    monitor="loss", factor=FACTOR, patience=PATIENCE, min_delta=MIN_DELTA, min_lr=1e-6
)
fit_args = {"callbacks": [callback]}
loss = "mse"


class Plateau:
    """What the callback does, for a loop."""

    def __init__(self):
        self.mean = keras.metrics.Mean()
        self.best, self.waited = np.inf, 0

    def epoch_ended(self, optimizer):
        now = float(self.mean.result())
        if now < self.best - MIN_DELTA:
            self.best, self.waited = now, 0
            return
        self.waited += 1
        if self.waited >= PATIENCE:
            optimizer.learning_rate.assign(max(float(optimizer.learning_rate) * FACTOR, 1e-6))
            self.waited = 0


plateau = Plateau()


def make_model():
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(32, activation="gelu", kernel_initializer="he_normal"),
            keras.layers.Dense(32, activation="gelu", kernel_initializer="he_normal"),
            keras.layers.Dense(1),
        ]
    )


def make_optimizer():
    return keras.optimizers.Adam(0.02)


def batches():
    random = np.random.default_rng(106)
    for rows in (30, 30, 17):
        yield random.normal(size=(rows, 6)).astype("float32"), random.normal(size=(rows, 1)).astype("float32")


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        error = tf.reduce_mean(tf.math.squared_difference(model(x, training=True), y))
    optimizer.apply_gradients(zip(tape.gradient(error, model.trainable_variables), model.trainable_variables))
    plateau.mean.update_state(error, sample_weight=tf.shape(x)[0])
    return {"loss": error}


def on_epoch_begin(model, optimizer, epoch):
    plateau.mean.reset_state()


def on_epoch_end(model, optimizer, epoch):
    plateau.epoch_ended(optimizer)
