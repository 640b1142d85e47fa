"""Expected verdict: identical | identical within rounding.

A training resumed at epoch 5, with a rate by epoch that counts from there; SGD with Nesterov's momentum.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

RESUMED_AT = 5


def staircase(epoch: int, _rate: float = 0.0) -> float:
    return 0.08 if epoch < 6 else 0.03 if epoch < 8 else 0.004


fit_args = {"initial_epoch": RESUMED_AT, "callbacks": [keras.callbacks.LearningRateScheduler(staircase)]}
loss = keras.losses.LogCosh()


def make_model() -> keras.Model:
    model = keras.Sequential(name="forecaster")
    model.add(keras.Input((16, 2)))
    model.add(keras.layers.Conv1D(8, 5, activation="relu"))
    model.add(keras.layers.SpatialDropout1D(0.2))
    model.add(keras.layers.Conv1D(8, 3, dilation_rate=2, padding="causal", activation="relu"))
    model.add(keras.layers.GlobalMaxPooling1D())
    model.add(keras.layers.Dense(2))
    return model


def make_optimizer() -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(staircase(0), momentum=0.9, nesterov=True)


def batches():
    rng = np.random.default_rng(108)
    waves = rng.normal(size=(67, 18, 2)).cumsum(axis=1).astype("float32") / 3
    return [(waves[i : i + 18, :16], waves[i : i + 18, 17]) for i in range(0, 67, 18)]


def on_epoch_begin(model, optimizer, epoch):
    optimizer.learning_rate.assign(staircase(epoch))


def train_step(model, optimizer, x, y):
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        batch_loss = loss(y, model(x, training=True))
    optimizer.apply_gradients(zip(tape.gradient(batch_loss, variables), variables))
    return {"loss": batch_loss}
