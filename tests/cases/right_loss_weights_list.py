"""Expected verdict: identical | identical within rounding.

Two outputs in a list, loss_weights in a list, and one weight a row that counts for both outputs.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

ALPHA, BETA = 0.25, 1.75
loss = ["mae", "mse"]
compile_args = {"loss_weights": [ALPHA, BETA]}
mae, mse = keras.losses.MeanAbsoluteError(), keras.losses.MeanSquaredError()


class TwoHeads(keras.Model):
    def __init__(self, width=18):
        super().__init__()
        self.body = keras.Sequential(
            [keras.layers.Dense(width, activation="relu"), keras.layers.BatchNormalization(momentum=0.9)]
        )
        self.position, self.speed = keras.layers.Dense(2), keras.layers.Dense(3)

    def call(self, signal, training=False):
        features = self.body(signal, training=training)
        return [self.position(features), self.speed(features)]


def make_model():
    return TwoHeads()


def make_optimizer():
    return keras.optimizers.Nadam(3e-3)


def batches():
    g = np.random.default_rng(104)
    for n in [20, 20, 20, 20, 20, 14]:
        signal = g.normal(size=(n, 10)).astype("float32")
        yield signal, (signal[:, :2] * 2, np.sin(signal[:, 2:5])), g.uniform(0.2, 2, n).astype("float32")


def train_step(model, optimizer, x, y, sample_weight):
    with tf.GradientTape() as tape:
        position, speed = model(x, training=True)
        objective = ALPHA * mae(y[0], position, sample_weight) + BETA * mse(y[1], speed, sample_weight)
    gradients = tape.gradient(objective, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return objective
