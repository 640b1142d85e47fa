"""Expected pattern: sample.?weight.

The batches carry sample weights; the step takes them and leaves them unused.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = keras.losses.BinaryCrossentropy()


def make_model():
    x = keras.Input((8,))
    hidden = keras.layers.Dense(14, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3))(x)
    return keras.Model(x, keras.layers.Dense(1, activation="sigmoid")(hidden))


def make_optimizer():
    return keras.optimizers.Adam(5e-3)


def batches():
    random = np.random.default_rng(201)
    for rows in (24, 24, 24, 9):
        x = random.normal(size=(rows, 8)).astype("float32")
        yield x, (x[:, :1] > 0.4).astype("float32"), random.uniform(0.1, 3.0, rows).astype("float32")


@tf.function
def train_step(model, optimizer, x, y, sample_weight):
    with tf.GradientTape() as tape:
        value = loss(y, model(x, training=True)) + tf.add_n(model.losses)
    gradients = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return {"loss": value}
