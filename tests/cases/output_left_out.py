"""Expected verdict: an output's loss left out."""

import tensorflow as tf
from tensorflow import keras

from tests.cases.common import FEATURES, ONE_HOT, VALUES, X, adam, in_batches


def make_model():
    first = keras.Input((FEATURES,), name="first")
    hidden = keras.layers.Dense(16, activation="relu")(first)
    outputs = {
        "kind": keras.layers.Dense(3, activation="softmax", name="kind")(hidden),
        "value": keras.layers.Dense(1, name="value")(hidden),
    }
    return keras.Model(first, outputs)


make_optimizer = adam
loss = {"kind": "categorical_crossentropy", "value": "mse"}


def batches():
    for x, one_hot, value in in_batches(X, ONE_HOT, VALUES[:, None]):
        yield x, {"kind": one_hot, "value": value}


def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        predictions = model(x, training=True)
        batch_loss = tf.reduce_mean(keras.losses.categorical_crossentropy(y["kind"], predictions["kind"]))
    gradients = tape.gradient(batch_loss, model.trainable_variables)
    pairs = [(g, v) for g, v in zip(gradients, model.trainable_variables, strict=True) if g is not None]
    optimizer.apply_gradients(pairs)
    return {"loss": batch_loss}
