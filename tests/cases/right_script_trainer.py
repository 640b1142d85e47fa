"""Expected verdict: identical | identical within rounding.

A script around a trainer class: parts made by functions, an input_signature, sample weights.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

from loops.case import case

FEATURES = 9


def house_prices():
    g = np.random.default_rng(308)
    for n in (32, 32, 32, 20):
        x = g.normal(size=(n, FEATURES)).astype("float32")
        y = (x[:, :2].sum(axis=1, keepdims=True) + 0.2 * g.normal(size=(n, 1))).astype("float32")
        yield x, y, g.exponential(size=n).astype("float32")


def build():
    inputs = keras.Input((FEATURES,))
    x = keras.layers.Dense(12, activation="softsign", kernel_regularizer="l2")(inputs)
    return keras.Model(inputs, keras.layers.Dense(1)(x))


class Trainer:
    """Builds its graph once, at the first batch."""

    def __init__(self, criterion):
        self.criterion = criterion
        self.graph = None

    def build_graph(self, model, optimizer):
        floats = tf.float32

        @tf.function(
            input_signature=[
                tf.TensorSpec((None, FEATURES), floats),
                tf.TensorSpec((None, 1), floats),
                tf.TensorSpec((None,), floats),
            ]
        )
        def graph(x, y, weights):
            with tf.GradientTape() as tape:
                value = self.criterion(y, model(x, training=True), weights)
                value += tf.add_n(model.losses)
            gradients = tape.gradient(value, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables))
            return value

        return graph

    def __call__(self, model, optimizer, x, y, sample_weight):
        if self.graph is None:
            self.graph = self.build_graph(model, optimizer)
        return {"loss": self.graph(x, y, sample_weight)}


huber = keras.losses.Huber()
trainer = Trainer(huber)


def one_step(model, optimizer, x, y, sample_weight):
    return trainer(model, optimizer, x, y, sample_weight)


case(
    seed=5,
    model=build,
    optimizer=lambda: keras.optimizers.AdamW(1e-2, weight_decay=4e-3, clipvalue=0.2),
    loss=huber,
    batches=house_prices,
    train_step=one_step,
    compile_args={"weighted_metrics": ["mse"]},
)
