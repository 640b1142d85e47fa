"""Expected pattern: model.losses|add_loss|divergence|regulari[sz].

A VAE of batches (x,): the loop takes the reconstruction's error, and not what a layer adds by add_loss.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


class Latent(layers.Layer):
    def __init__(self):
        super().__init__()
        self.seeds = keras.random.SeedGenerator(3)

    def call(self, mean, log_variance):
        spread = ops.exp(log_variance)
        self.add_loss(0.5 * ops.mean(ops.sum(ops.square(mean) + spread - 1 - log_variance, axis=-1)))
        return mean + ops.sqrt(spread) * keras.random.normal(ops.shape(mean), seed=self.seeds)


class VAE(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(12, activation="relu")
        self.mean, self.log_variance, self.latent = layers.Dense(2), layers.Dense(2), Latent()
        self.decoder = layers.Dense(8)

    def call(self, x):
        h = self.hidden(x)
        guess = self.decoder(self.latent(self.mean(h), self.log_variance(h)))
        self.reconstruction = ops.mean(ops.sum(ops.square(x - guess), axis=-1))
        self.add_loss(self.reconstruction)
        return guess


def make_model():
    return VAE()


def make_optimizer():
    return keras.optimizers.Adam(1e-2)


def batches():
    random = np.random.default_rng(315)
    for rows in (24, 24, 24, 8):
        yield (random.normal(size=(rows, 8)).astype("float32") * np.linspace(0.2, 2, 8, dtype="float32"),)


@tf.function
def train_step(model, optimizer, x):
    with tf.GradientTape() as tape:
        guess = model(x, training=True)
        error = tf.reduce_mean(tf.reduce_sum(tf.square(x - guess), axis=-1))
    gradients = tape.gradient(error, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return {"loss": error}
