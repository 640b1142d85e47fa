"""Expected pattern: model.losses|regulari[sz]|penalt.

The model's class overrides train_step and takes the bare loss: the penalties on its kernels are lost.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = keras.losses.MeanSquaredError()


class Regressor(keras.Model):
    def __init__(self):
        super().__init__()
        penalty = keras.regularizers.L2(0.02)
        self.first = keras.layers.Dense(16, activation="relu", kernel_regularizer=penalty)
        self.second = keras.layers.Dense(1, kernel_regularizer=penalty)
        self.mse = keras.losses.MeanSquaredError()

    def call(self, inputs):
        return self.second(self.first(inputs))

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.mse(y, self(x, training=True))
        self.optimizer.apply_gradients(
            zip(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        )
        return {"loss": loss}


def make_model():
    return Regressor()


def make_optimizer():
    return keras.optimizers.Adam(5e-3)


def batches():
    random = np.random.default_rng(210)
    for rows in (25, 25, 25, 14):
        x = random.normal(size=(rows, 6)).astype("float32")
        yield x, x[:, :1] - 2 * x[:, 1:2]
