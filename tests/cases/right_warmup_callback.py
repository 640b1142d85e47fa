"""Expected verdict: identical | identical within rounding.

A callback of one's own warms the rate up batch by batch; the loop sets the same rate before it applies.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

PEAK, WARM = 0.05, 7.0


class Warmup(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = 0

    def on_train_batch_begin(self, batch, logs=None):
        self.seen += 1
        self.model.optimizer.learning_rate = PEAK * min(1.0, self.seen / WARM)


fit_args = {"callbacks": [Warmup()]}
loss = keras.losses.CosineSimilarity()


def make_model():
    text = keras.Input((12,))
    code = keras.layers.Dense(16, activation="relu")(text)
    code = keras.layers.Dense(16, activation="relu")(code)
    return keras.Model(text, keras.layers.UnitNormalization()(keras.layers.Dense(5)(code)))


def make_optimizer():
    return keras.optimizers.Adagrad(PEAK)


def batches():
    random = np.random.default_rng(107)
    turn = random.normal(size=(12, 5))
    for rows in (18, 18, 18, 7):
        x = random.normal(size=(rows, 12)).astype("float32")
        yield x, (x @ turn).astype("float32")


@tf.function
def train_step(model, optimizer, x, y):
    done = tf.cast(optimizer.iterations, tf.float32) + 1
    optimizer.learning_rate.assign(PEAK * tf.minimum(1.0, done / WARM))
    with tf.GradientTape() as tape:
        value = loss(y, model(x, training=True))
    gradients = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return value
