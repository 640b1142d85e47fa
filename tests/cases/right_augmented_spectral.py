"""Expected verdict: identical | identical within rounding.

Images augmented inside the model, spectral normalisation, GroupNormalization, and a hinge loss.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

loss = keras.losses.Hinge()
metrics = ["hinge"]


def make_model():
    return keras.Sequential(
        [
            layers.Input((10, 10, 2)),
            layers.RandomFlip("horizontal_and_vertical"),
            layers.RandomTranslation(0.1, 0.1, fill_mode="constant"),
            layers.SpectralNormalization(layers.Conv2D(6, 3, activation="leaky_relu")),
            layers.GroupNormalization(groups=3),
            layers.Flatten(),
            layers.SpectralNormalization(layers.Dense(8, activation="tanh")),
            layers.Dropout(0.2),
            layers.Dense(1),
        ]
    )


def make_optimizer():
    return keras.optimizers.Adam(2e-3, beta_1=0.5)


def batches():
    random = np.random.default_rng(303)
    for rows in (16, 16, 16, 16, 16, 9):
        images = random.normal(size=(rows, 10, 10, 2)).astype("float32")
        yield images, np.sign(images.mean(axis=(1, 2, 3)))[:, None]


@tf.function
def train_step(model, optimizer, x, y):
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        scores = model(x, training=True)
        value = tf.reduce_mean(tf.nn.relu(1 - y * scores))
    optimizer.apply_gradients(zip(tape.gradient(value, variables), variables))
    return {"loss": value, "hinge": value}
