"""Expected pattern: training|augment.

Silent is fine.
The model begins with layers that augment its images; the loop calls the rest of the model only.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

loss = keras.losses.BinaryCrossentropy()


def make_model():
    augment = keras.Sequential(
        [layers.RandomFlip("horizontal"), layers.RandomTranslation(0.2, 0.2)], name="aug"
    )
    classify = keras.Sequential(
        [
            layers.Conv2D(6, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="net",
    )
    image = keras.Input((8, 8, 3))
    return keras.Model(image, classify(augment(image)))


def make_optimizer():
    return keras.optimizers.Adam(1e-2)


def batches():
    random = np.random.default_rng(217)
    for rows in (16, 16, 16, 12):
        x = random.random((rows, 8, 8, 3), np.float32)
        yield x, (x[:, :, :4, 0].mean((1, 2)) > 0.5).astype("float32")[:, None]


@tf.function
def train_step(model, optimizer, x, y):
    net = model.get_layer("net")
    with tf.GradientTape() as tape:
        error = loss(y, net(x, training=True))
    optimizer.apply_gradients(zip(tape.gradient(error, net.trainable_variables), net.trainable_variables))
    return error
