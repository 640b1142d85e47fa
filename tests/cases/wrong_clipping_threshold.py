"""Expected pattern: clip.

The optimizer clips nothing; the loop clips by a global norm of 0.137.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = keras.losses.Huber(delta=0.7)


def make_model():
    x = keras.Input((10, 2))
    h = keras.layers.Bidirectional(keras.layers.SimpleRNN(6))(x)
    return keras.Model(x, keras.layers.Dense(1)(h))


def make_optimizer():
    return keras.optimizers.SGD(0.1, momentum=0.5)


def batches():
    random = np.random.default_rng(214)
    for rows in (20, 20, 20, 15):
        x = random.normal(size=(rows, 10, 2)).astype("float32")
        yield x, x.sum(axis=(1, 2))[:, None] / 4


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        error = loss(y, model(x, training=True))
    gradients, _norm = tf.clip_by_global_norm(tape.gradient(error, model.trainable_variables), 0.137)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return error
