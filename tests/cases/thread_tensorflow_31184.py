"""Expected verdict: non-trainable or frozen variables updated.

As in tensorflow/tensorflow issue 31184, transfer learning: the loop thaws the frozen base
that fit() leaves alone.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

_random = np.random.default_rng(2)
_x = _random.uniform(-1, 1, (48, 8, 8, 3)).astype("float32")
_y = _random.integers(0, 2, (48, 1)).astype("float32")


def make_model():
    layers = keras.layers
    base = keras.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(8, 3), layers.BatchNormalization()])
    base.trainable = False
    return keras.Sequential([layers.Input((8, 8, 3)), base, layers.GlobalAveragePooling2D(), layers.Dense(1)])


def make_optimizer():
    return keras.optimizers.RMSprop(1e-3)


loss = keras.losses.BinaryCrossentropy(from_logits=True)


def batches():
    return [(_x[start : start + 8], _y[start : start + 8]) for start in range(0, 48, 8)]


def train_step(model, optimizer, x, y):
    model.layers[0].trainable = True
    with tf.GradientTape() as tape:
        batch_loss = loss(y, model(x, training=True))
    gradients = tape.gradient(batch_loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
