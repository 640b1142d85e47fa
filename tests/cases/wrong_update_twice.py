"""Expected pattern: twice|(two|more|several) (updates|steps)|updates? (per|for each).

Silent is fine.
A loop for encoder and decoder: each part gets its update, but the decoder's variables are in both lists.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

mse = keras.losses.MeanSquaredError()
loss = mse


class Autoencoder(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder = keras.Sequential([keras.layers.Dense(4, activation="tanh")])
        self.decoder = keras.Sequential([keras.layers.Dense(10)])

    def call(self, x):
        return self.decoder(self.encoder(x))


def make_model():
    return Autoencoder()


def make_optimizer():
    return keras.optimizers.SGD(0.1)


def batches():
    random = np.random.default_rng(213)
    for rows in (26, 26, 13):
        x = random.normal(size=(rows, 10)).astype("float32")
        yield x, x


@tf.function
def train_step(model, optimizer, x, y):
    optimizer.build(model.trainable_variables)
    with tf.GradientTape(persistent=True) as tape:
        value = mse(y, model(x, training=True))
    for part in (model, model.decoder):
        gradients = tape.gradient(value, part.trainable_variables)
        optimizer.apply_gradients(zip(gradients, part.trainable_variables))
    return {"loss": value}
