"""Expected pattern: schedule|learning.?rate|callback|initial.?epoch|epoch.

fit() resumes at epoch 6, where the rate is small by then; the loop counts its epochs from 0.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras


def decay(epoch, lr=None):
    return 0.05 / (1 + epoch)


fit_args = {"callbacks": [keras.callbacks.LearningRateScheduler(decay)], "initial_epoch": 6}
loss = keras.losses.Poisson()
epochs_done = 0


def make_model():
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(12, activation="relu"),
            keras.layers.Dense(1, activation="softplus"),
        ]
    )


def make_optimizer():
    return keras.optimizers.SGD(decay(0), momentum=0.9)


def batches():
    random = np.random.default_rng(205)
    for rows in (28, 28, 28, 17):
        x = random.normal(size=(rows, 6)).astype("float32")
        yield x, random.poisson(np.exp(0.5 * x[:, :1])).astype("float32")


def on_epoch_begin(model, optimizer, epoch):
    global epochs_done
    optimizer.learning_rate.assign(decay(epochs_done))
    epochs_done += 1


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        value = loss(y, model(x, training=True))
    optimizer.apply_gradients(zip(tape.gradient(value, model.trainable_variables), model.trainable_variables))
    return {"loss": value}
