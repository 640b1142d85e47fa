"""Expected verdict: identical | identical within rounding.

A variational autoencoder: batches of (x,), all of its losses by add_loss, and no loss for compile().
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


class Sampler(layers.Layer):
    """Draws from the posterior and adds its divergence from the prior as a loss."""

    def __init__(self, weight, **options):
        super().__init__(**options)
        self.weight = weight
        self.seeds = keras.random.SeedGenerator(7)

    def call(self, moments):
        mean, log_variance = moments
        divergence = -0.5 * ops.sum(1 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=-1)
        self.add_loss(self.weight * ops.mean(divergence))
        noise = keras.random.normal(ops.shape(mean), seed=self.seeds)
        return mean + ops.exp(0.5 * log_variance) * noise


class Reconstruction(layers.Layer):
    def call(self, pair):
        image, guess = pair
        self.add_loss(ops.mean(ops.sum(keras.losses.binary_crossentropy(image, guess), axis=(1, 2))))
        return guess


def make_model():
    image = keras.Input((6, 6, 1))
    h = layers.Dense(20, activation="relu")(layers.Flatten()(image))
    code = Sampler(0.5)([layers.Dense(3)(h), layers.Dense(3)(h)])
    h = layers.Dense(20, activation="relu")(code)
    guess = layers.Reshape((6, 6, 1))(layers.Dense(36, activation="sigmoid")(h))
    return keras.Model(image, Reconstruction()([image, guess]))


def make_optimizer():
    return keras.optimizers.Adam(5e-3)


def batches():
    rng = np.random.default_rng(113)
    for rows in (16, 16, 16, 12):
        yield ((rng.random((rows, 6, 6, 1)) > rng.random((rows, 1, 1, 1))).astype("float32"),)


@tf.function
def train_step(model, optimizer, x):
    with tf.GradientTape() as tape:
        model(x, training=True)
        total = sum(model.losses)
    optimizer.apply(tape.gradient(total, model.trainable_variables), model.trainable_variables)
    return {"loss": total}
