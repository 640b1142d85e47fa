"""Expected verdict: identical | identical within rounding.

Attention over padded tokens: the mask reaches fit()'s loss, and the step averages over it by hand.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras.layers import Add, Dense, Dropout, Embedding, LayerNormalization, MultiHeadAttention

WORDS, TAGS, LENGTH, WIDTH = 25, 3, 8, 12
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def attention_block(x):
    attended = MultiHeadAttention(2, WIDTH // 2, dropout=0.1)(x, x)
    x = LayerNormalization()(attended)  # no sum with x: MultiHeadAttention takes the mask off its input
    hidden = Dropout(0.1)(Dense(2 * WIDTH, activation="gelu")(x))
    return LayerNormalization()(Add()([x, Dense(WIDTH)(hidden)]))


def make_model():
    ids = keras.Input((LENGTH,), dtype="int32")
    embedded = Embedding(WORDS, WIDTH, mask_zero=True)(ids)
    return keras.Model(ids, Dense(TAGS)(attention_block(embedded)))


def make_optimizer():
    return keras.optimizers.Adam(4e-3, beta_2=0.98, epsilon=1e-6)


def batches():
    rng = np.random.default_rng(120)
    for rows in (15, 15, 15, 6):
        ids = rng.integers(1, WORDS, (rows, LENGTH))
        ids *= np.arange(LENGTH) < rng.integers(2, LENGTH + 1, (rows, 1))
        yield ids.astype("int32"), (ids % TAGS).astype("int32")


@tf.function
def train_step(model, optimizer, ids, tags):
    real = tf.cast(ids > 0, tf.float32)
    with tf.GradientTape() as tape:
        scores = model(ids, training=True)
        per_token = tf.nn.sparse_softmax_cross_entropy_with_logits(tags, scores)
        value = tf.reduce_sum(per_token * real) / tf.reduce_sum(real)
    gradients = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return {"loss": value}
