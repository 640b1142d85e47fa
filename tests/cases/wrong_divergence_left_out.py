"""Expected pattern: model.losses|added losses.

Silent is fine. Batches of (x,), and a step that leaves out a part of the loss.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = None


class VAE(keras.Model):
    def __init__(self):
        super().__init__()
        self.enc = keras.layers.Dense(8)
        self.dec = keras.layers.Dense(16)

    def call(self, x, training=False):
        mu, logvar = tf.split(self.enc(x), 2, axis=1)
        z = mu + tf.exp(0.5 * logvar) * tf.random.normal(tf.shape(mu))
        out = self.dec(z)
        self.add_loss(tf.reduce_mean(tf.square(out - x)))
        self.add_loss(-0.5 * tf.reduce_mean(1 + logvar - mu**2 - tf.exp(logvar)))
        return out


make_model = VAE


def make_optimizer():
    return keras.optimizers.Adam(1e-3)


def batches():
    r = np.random.default_rng(0)
    for _ in range(6):
        yield (r.normal(size=(32, 16)).astype("float32"),)


@tf.function
def train_step(model, optimizer, x):
    with tf.GradientTape() as tape:
        out = model(x, training=True)
        value = tf.reduce_mean(tf.square(out - x))  # KL forgotten
    g = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(g, model.trainable_variables))
    return value
