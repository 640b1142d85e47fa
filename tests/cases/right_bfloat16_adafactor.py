"""Expected verdict: identical | identical within rounding.

mixed_bfloat16, which needs no loss scale: Conv1D under the Adafactor optimizer, out of a tf.data.Dataset.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

keras.config.set_dtype_policy("mixed_bfloat16")
loss = keras.losses.MeanAbsoluteError()


def make_model():
    series = keras.Input((12, 2))
    h = keras.layers.Conv1D(8, 3, activation="relu")(series)
    h = keras.layers.LayerNormalization()(h)
    h = keras.layers.Flatten()(keras.layers.AveragePooling1D(2)(h))
    return keras.Model(series, keras.layers.Dense(1, dtype="float32")(h))


def make_optimizer():
    return keras.optimizers.Adafactor(2e-2)


def batches():
    x = np.random.default_rng(301).normal(size=(79, 12, 2)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((x, x[:, -1, :1] + x[:, 0, 1:])).batch(23)


def graph_of(model, optimizer):
    """One graph for every batch size: bfloat16 shows how kernels differ between graphs."""

    @tf.function(input_signature=[tf.TensorSpec((None, 12, 2)), tf.TensorSpec((None, 1))])
    def graph(x, y):
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return value

    return graph


graphs = []


def train_step(model, optimizer, x, y):
    if not graphs:
        graphs.append(graph_of(model, optimizer))
    return {"loss": graphs[0](x, y)}
