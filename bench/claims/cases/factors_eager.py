"""A table of values approximated by the product of two embeddings, an eager loop, after tensorflow 33898.

The rows lie in the order of the table, as in the thread before its author shuffled them.
"""

import numpy as np
import tensorflow as tf

loss = "mean_squared_error"
objective = tf.keras.losses.MeanSquaredError()
SIDE, WIDTH, BATCH = 200, 16, 200


class Factors(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.of_rows = tf.keras.layers.Embedding(SIDE, WIDTH)
        self.of_columns = tf.keras.layers.Embedding(SIDE, WIDTH)

    def call(self, indices):
        rows, columns = self.of_rows(indices[:, 0]), self.of_columns(indices[:, 1])
        return tf.reduce_sum(rows * columns, axis=1, keepdims=True)


def make_model():
    return Factors()


def make_optimizer():
    return tf.keras.optimizers.Adam(0.01)


def table():
    random = np.random.default_rng(0)
    values = random.normal(size=(SIDE, 4)) @ random.normal(size=(4, SIDE))
    indices = np.stack(np.indices((SIDE, SIDE)), axis=-1).reshape(-1, 2).astype("int32")
    return indices, values.reshape(-1, 1).astype("float32")


def batches():
    return tf.data.Dataset.from_tensor_slices(table()).batch(BATCH, drop_remainder=True)


def train_step(model, optimizer, indices, values):
    with tf.GradientTape() as tape:
        value = objective(values, model(indices, training=True))
    gradients = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return value
