"""Expected verdict: identical | identical within rounding.

GRU over masked sequences whose length differs from batch to batch; fit() runs three steps at a time.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

compile_args = {"steps_per_execution": 3, "jit_compile": False}
loss = "sparse_categorical_crossentropy"
VOCABULARY, TAGS = 30, 4


def make_model():
    tokens = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(VOCABULARY, 8, mask_zero=True)(tokens)
    x = keras.layers.GRU(7, recurrent_dropout=0.0, dropout=0.1)(x)
    return keras.Model(tokens, keras.layers.Dense(TAGS, activation="softmax")(x))


def make_optimizer():
    return keras.optimizers.Adam(1e-2, global_clipnorm=1.0)


def batches():
    random = np.random.default_rng(109)
    for rows, length in ((16, 7), (16, 5), (16, 9), (9, 6)):
        tokens = random.integers(1, VOCABULARY, (rows, length)).astype("int32")
        tokens[np.arange(length) >= random.integers(2, length + 1, (rows, 1))] = 0
        yield tokens, tokens[:, 0] % TAGS


@tf.function(
    input_signature=[tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32)], autograph=False
)
def graph_step(x, y):  # one signature for every batch: nothing is traced twice
    model, optimizer = parts
    with tf.GradientTape() as tape:
        rows = keras.losses.sparse_categorical_crossentropy(y, model(x, training=True))
        error = tf.reduce_mean(rows)
    gradients = tape.gradient(error, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return error


parts = ()


def train_step(model, optimizer, x, y):
    global parts
    parts = (model, optimizer)
    return graph_step(x, y)
