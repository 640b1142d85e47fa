"""Expected verdict: training=True missing.

As in tensorflow/tensorflow issue 35585: a binary classifier whose loop reports other
accuracy and loss than fit().
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

_random = np.random.default_rng(1)
_x = _random.normal(size=(90, 10)).astype("float32")
_y = (_x[:, :1] > 0).astype("float32")


def make_model():
    x = keras.Input((10,))
    hidden = keras.layers.Dropout(0.3)(keras.layers.Dense(16, activation="relu")(x))
    return keras.Model(x, keras.layers.Dense(1, activation="sigmoid")(hidden))


make_optimizer = keras.optimizers.Adam
loss = keras.losses.BinaryCrossentropy()
metrics = ["binary_accuracy"]


def batches():
    for start in range(0, 90, 20):
        yield _x[start : start + 20], _y[start : start + 20]


def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        batch_loss = loss(y, model(x))
    gradients = tape.gradient(batch_loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    return {"loss": batch_loss}
