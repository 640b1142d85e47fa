"""Expected pattern: scaled by 64.

An autoencoder whose loop sums the squared error over an image's pixels and averages over images only.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

loss = "mse"


def make_model():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(6, 3, strides=2, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(1, 1, activation="sigmoid"),
        ]
    )


def make_optimizer():
    return keras.optimizers.SGD(2e-3, momentum=0.9)


def batches():
    rng = np.random.default_rng(211)
    for rows in (16, 16, 16, 11):
        image = rng.random((rows, 8, 8, 1), np.float32)
        yield image, image


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        per_image = tf.reduce_sum(tf.square(y - model(x, training=True)), axis=[1, 2, 3])
        cost = tf.reduce_mean(per_image)
    gradients = tape.gradient(cost, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
