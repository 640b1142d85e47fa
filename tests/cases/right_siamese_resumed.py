"""Expected verdict: identical | identical within rounding.

Pairs in a dict through one shared encoder, a contrastive loss; resumed at epoch 2, rate by epoch.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

MARGIN = 1.0


def contrastive_loss(y_true, y_pred):
    near = y_true * tf.square(y_pred)
    far = (1.0 - y_true) * tf.square(tf.maximum(MARGIN - y_pred, 0.0))
    return tf.reduce_mean(near + far, axis=-1)


def rate_at(epoch, _rate=None):
    return 1e-2 / 2**epoch


loss = contrastive_loss
compile_args = {"steps_per_execution": 4}
fit_args = {"initial_epoch": 2, "callbacks": [keras.callbacks.LearningRateScheduler(rate_at)]}


def make_model():
    encoder = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(12, activation="relu"), keras.layers.Dense(4)], name="encoder"
    )
    pair = {"left": keras.Input((6,), name="left"), "right": keras.Input((6,), name="right")}
    gap = keras.layers.Subtract()([encoder(pair["left"]), encoder(pair["right"])])
    length = keras.layers.Lambda(lambda g: tf.sqrt(tf.reduce_sum(g * g, axis=-1, keepdims=True) + 1e-6))(gap)
    return keras.Model(pair, length)


def make_optimizer():
    return keras.optimizers.RMSprop(rate_at(0), centered=True)


def batches():
    random = np.random.default_rng(310)
    for rows in (20, 20, 20, 20, 20, 16):
        left = random.normal(size=(rows, 6)).astype("float32")
        same = random.integers(0, 2, (rows, 1)).astype("float32")
        right = np.where(same > 0, left + 0.1, random.normal(size=(rows, 6))).astype("float32")
        yield {"left": left, "right": right}, same


def on_epoch_begin(model, optimizer, epoch):
    optimizer.learning_rate = rate_at(epoch)


def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        distance = model(x, training=True)
        value = tf.reduce_mean(contrastive_loss(y, distance))
    gradients = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return {"loss": value}
