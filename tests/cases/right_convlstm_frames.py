"""Expected verdict: identical | identical within rounding.

ConvLSTM2D that foretells the next frame; SGD with Nesterov's momentum under a polynomial schedule.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

loss = "binary_crossentropy"
bce = keras.losses.BinaryCrossentropy()


class NextFrame(keras.Model):
    def __init__(self, filters=4):
        super().__init__(name="next_frame")
        self.recurrent = layers.ConvLSTM2D(filters, 3, padding="same", recurrent_dropout=0.1)
        self.norm = layers.LayerNormalization()
        self.out = layers.Conv2D(1, 1, activation="sigmoid")

    def call(self, frames, training=None):
        return self.out(self.norm(self.recurrent(frames, training=training)))


def make_model():
    return NextFrame()


def make_optimizer():
    rate = keras.optimizers.schedules.PolynomialDecay(0.3, 30, 0.01, power=2.0)
    return keras.optimizers.SGD(rate, momentum=0.85, nesterov=True)


def batches():
    rng = np.random.default_rng(302)
    for clips in (12, 12, 12, 6):
        start = (rng.random((clips, 6, 6, 1)) > 0.7).astype("float32")
        film = np.stack([np.roll(start, shift, axis=2) for shift in range(4)], axis=1)
        yield film[:, :3], film[:, 3]


def train_step(model, optimizer, frames, target):
    with tf.GradientTape() as tape:
        error = bce(target, model(frames, training=True))
    optimizer.apply(tape.gradient(error, model.trainable_variables), model.trainable_variables)
    return error
