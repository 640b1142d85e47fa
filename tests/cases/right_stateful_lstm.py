"""Expected verdict: identical | identical within rounding.

A stateful LSTM carries its state from batch to batch; a callback and the loop clear it when an epoch begins.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

ROWS, LENGTH = 14, 6


def clear_states(model):
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_state()


class ClearStates(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        clear_states(self.model)


fit_args = {"callbacks": [ClearStates()]}
loss = "mean_squared_error"
mse = keras.losses.MeanSquaredError()


def make_model():
    return keras.Sequential(
        [
            keras.Input(batch_shape=(ROWS, LENGTH, 2)),
            keras.layers.LSTM(9, stateful=True, return_sequences=True),
            keras.layers.LSTM(6, stateful=True),
            keras.layers.Dense(1),
        ]
    )


def make_optimizer():
    return keras.optimizers.RMSprop(5e-3)


def batches():  # pieces of the same 14 long series, one after the other
    series = np.random.default_rng(111).normal(size=(ROWS, 4 * LENGTH, 2)).astype("float32")
    for start in range(0, 4 * LENGTH, LENGTH):
        x = series[:, start : start + LENGTH]
        yield x, series[:, : start + LENGTH, :1].mean(1)


def on_epoch_begin(model, optimizer, epoch):
    clear_states(model)


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        error = mse(y, model(x, training=True))
    optimizer.apply_gradients(zip(tape.gradient(error, model.trainable_variables), model.trainable_variables))
    return {"loss": error}
