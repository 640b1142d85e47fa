"""Expected pattern: sample.?weight.

The model's class overrides compute_loss, and drops the sample weights that it is handed; no step here.
"""

import keras
import numpy as np

loss = keras.losses.MeanSquaredError()


class Net(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.losses.MeanSquaredError()(y, y_pred) + sum(self.losses)


def make_model():
    x = keras.Input((5,))
    h = keras.layers.Dense(11, activation="relu", kernel_regularizer="l1")(x)
    return Net(x, keras.layers.Dense(1)(h))


def make_optimizer():
    return keras.optimizers.Adam(1e-2)


def batches():
    random = np.random.default_rng(316)
    for rows in (17, 17, 17, 13):
        x = random.normal(size=(rows, 5)).astype("float32")
        yield x, x[:, :1] ** 2, np.where(x[:, 0] > 0, 4.0, 0.5).astype("float32")
