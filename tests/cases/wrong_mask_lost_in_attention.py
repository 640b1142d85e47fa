"""Expected pattern: mask|padd.

Silent is fine.
The loop averages over real tokens, but fit() does not: MultiHeadAttention takes the mask off its input, so
the sum of both has none, and every token counts in fit()'s loss.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def make_model():
    ids = keras.Input((7,), dtype="int32")
    x = keras.layers.Embedding(18, 8, mask_zero=True)(ids)
    x = keras.layers.LayerNormalization()(
        keras.layers.Add()([x, keras.layers.MultiHeadAttention(2, 4)(x, x)])
    )
    return keras.Model(ids, keras.layers.Dense(3)(x))


def make_optimizer():
    return keras.optimizers.Adam(5e-3)


def batches():
    rng = np.random.default_rng(218)
    for rows in (16, 16, 16, 5):
        ids = rng.integers(1, 18, (rows, 7)) * (np.arange(7) < rng.integers(1, 8, (rows, 1)))
        yield ids.astype("int32"), (ids % 3).astype("int32")


@tf.function
def train_step(model, optimizer, x, y):
    real = tf.cast(x != 0, tf.float32)
    with tf.GradientTape() as tape:
        per_token = tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(x, training=True))
        value = tf.reduce_sum(per_token * real) / tf.reduce_sum(real)
    optimizer.apply_gradients(zip(tape.gradient(value, model.trainable_variables), model.trainable_variables))
    return {"loss": value}
