"""Expected verdict: identical | identical within rounding.

A bag of words with masked padding; fit() weighs the rare class by class_weight, the step by a table.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

WEIGHTS = {0: 0.6, 1: 3.5}
fit_args = {"class_weight": WEIGHTS}
loss = keras.losses.BinaryCrossentropy(from_logits=True)
weight_of_class = tf.constant([WEIGHTS[0], WEIGHTS[1]])


def make_model():
    return keras.Sequential(
        [
            keras.Input((9,), dtype="int32"),
            keras.layers.Embedding(40, 6, mask_zero=True),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(10, activation="tanh"),
            keras.layers.Dense(1),
        ]
    )


def make_optimizer():
    return keras.optimizers.RMSprop(3e-3, momentum=0.5)


def batches():
    random = np.random.default_rng(102)
    for rows in (25, 25, 25, 25, 25, 8):
        words = random.integers(1, 40, (rows, 9))
        words[np.arange(9) >= random.integers(3, 10, (rows, 1))] = 0
        yield words.astype("int32"), (words.max(1, keepdims=True) > 37).astype("float32")


@tf.function(reduce_retracing=True)
def train_step(model, optimizer, x, y):
    weights = tf.gather(weight_of_class, tf.cast(y[:, 0], tf.int32))
    with tf.GradientTape() as tape:
        error = loss(y, model(x, training=True), sample_weight=weights)
    grads = tape.gradient(error, model.trainable_weights)
    optimizer.apply(grads, model.trainable_weights)
    return error
