"""Expected verdict: identical | identical within rounding.

The model has a compute_loss of its own, with a term on its hidden code, which fit() and the step both call.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops


class SparseCoder(keras.Model):
    def __init__(self, codes=15, sparsity=0.02):
        super().__init__()
        self.encoder = keras.layers.Dense(
            codes, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3)
        )
        self.decoder = keras.layers.Dense(8)
        self.sparsity = sparsity

    def call(self, x):
        code = self.encoder(x)
        return {"code": code, "guess": self.decoder(code)}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        error = ops.mean(ops.square(y - y_pred["guess"]))
        return error + self.sparsity * ops.mean(ops.abs(y_pred["code"])) + ops.sum(self.losses)


def make_model():
    return SparseCoder()


def make_optimizer():
    return keras.optimizers.Adadelta(1.0)


def batches():
    random = np.random.default_rng(115)
    mixing = random.normal(size=(3, 8))
    for rows in (24, 24, 24, 24, 24, 5):
        x = (random.normal(size=(rows, 3)) @ mixing).astype("float32")
        yield x, x


def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        value = model.compute_loss(x, y, model(x, training=True))
    gradients = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return {"loss": value}
