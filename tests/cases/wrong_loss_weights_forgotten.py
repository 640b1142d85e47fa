"""Expected pattern: loss.?weight|weight.*(output|loss)|(output|loss).*weight.

An auxiliary head that counts 0.3 in compile(), and fully in the loop.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

compile_args = {"loss_weights": [1.0, 0.3]}
loss = [keras.losses.SparseCategoricalCrossentropy(), keras.losses.SparseCategoricalCrossentropy()]


def make_model():
    image = keras.Input((7, 7, 1))
    early = keras.layers.Conv2D(6, 3, activation="relu")(image)
    late = keras.layers.Conv2D(6, 3, activation="relu")(early)

    def head(x):
        return keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(x))

    return keras.Model(image, [head(late), head(early)])


def make_optimizer():
    return keras.optimizers.RMSprop(2e-3)


def batches():
    random = np.random.default_rng(203)
    for rows in (16, 16, 16, 16, 16, 7):
        labels = random.integers(0, 3, rows)
        yield random.random((rows, 7, 7, 1), np.float32) + labels[:, None, None, None] / 3, (labels, labels)


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        total = sum(criterion(target, output) for criterion, target, output in zip(loss, y, outputs))
    gradients = tape.gradient(total, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return total
