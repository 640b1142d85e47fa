"""Expected pattern: mask|padd.

Padded words of an Embedding with mask_zero count in the loop's mean; in fit() the mask takes them out.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = "sparse_categorical_crossentropy"


def make_model():
    words = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(20, 8, mask_zero=True)(words)
    x = keras.layers.GRU(8, return_sequences=True)(x)
    return keras.Model(words, keras.layers.Dense(4, activation="softmax")(x))


def make_optimizer():
    return keras.optimizers.Adam(1e-2)


def batches():
    rng = np.random.default_rng(216)
    for rows, length in ((16, 8), (16, 10), (16, 6), (10, 9)):
        words = rng.integers(1, 20, (rows, length)).astype("int32")
        words[np.arange(length) >= rng.integers(1, length, (rows, 1))] = 0
        yield words, words % 4


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        per_word = keras.losses.sparse_categorical_crossentropy(y, model(x, training=True))
        value = tf.reduce_mean(per_word)
    optimizer.apply_gradients(zip(tape.gradient(value, model.trainable_variables), model.trainable_variables))
    return {"loss": value}
