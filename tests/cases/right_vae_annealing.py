"""Expected verdict: identical | identical within rounding.

A subclassed VAE whose divergence grows by epoch: by a callback in fit(), by the hook in the loop.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras


class VAE(keras.Model):
    def __init__(self, latent=2):
        super().__init__()
        self.latent = latent
        self.encode = keras.Sequential(
            [keras.layers.Dense(16, activation="relu"), keras.layers.Dense(2 * latent)]
        )
        self.decode = keras.Sequential([keras.layers.Dense(16, activation="relu"), keras.layers.Dense(9)])
        self.seeds = keras.random.SeedGenerator(11)
        self.beta = self.add_weight(name="beta", initializer="zeros", trainable=False)

    def call(self, x):
        mean, log_variance = tf.split(self.encode(x), 2, axis=-1)
        noise = keras.random.normal((tf.shape(x)[0], self.latent), seed=self.seeds)
        guess = self.decode(mean + tf.exp(log_variance / 2) * noise)
        divergence = 0.5 * tf.reduce_sum(mean**2 + tf.exp(log_variance) - 1 - log_variance, axis=-1)
        self.add_loss(self.beta.value * tf.reduce_mean(divergence))
        self.add_loss(tf.reduce_mean(tf.reduce_sum((x - guess) ** 2, axis=-1)))
        return guess


class Anneal(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.beta.assign(min(1.0, (epoch + 1) / 4))


fit_args = {"callbacks": [Anneal()]}


def make_model():
    return VAE()


def make_optimizer():
    return keras.optimizers.Adam(8e-3)


def batches():
    random = np.random.default_rng(307)
    for rows in (20, 20, 20, 11):
        yield (random.normal(size=(rows, 9)).astype("float32").cumsum(1) / 3,)


def on_epoch_end(model, optimizer, epoch):
    model.beta.assign(min(1.0, (epoch + 1) / 4))


@tf.function
def train_step(model, optimizer, x):
    with tf.GradientTape() as tape:
        model(x, training=True)
        elbo = tf.add_n(model.losses)
    gradients = tape.gradient(elbo, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return {"loss": elbo}
