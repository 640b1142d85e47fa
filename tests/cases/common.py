"""What the cases share: small random data, small models, and the loss as fit() computes it."""

import numpy as np
import tensorflow as tf
from tensorflow import keras

ROWS, FEATURES, CLASSES, BATCH = 70, 8, 3, 15  # 4 batches of 15 and one of 10
_random = np.random.default_rng(0)
X = _random.normal(size=(ROWS, FEATURES)).astype("float32")
LABELS = _random.integers(0, CLASSES, ROWS)
ONE_HOT = np.eye(CLASSES, dtype="float32")[LABELS]
VALUES = (X @ _random.normal(size=FEATURES) + _random.normal(size=ROWS)).astype("float32")


def in_batches(*arrays):
    for start in range(0, ROWS, BATCH):
        yield tuple(array[start : start + BATCH] for array in arrays)


def one_hot_batches():
    return in_batches(X, ONE_HOT)


def label_batches():
    return in_batches(X, LABELS)


def value_batches():
    return in_batches(X, VALUES)


def classifier(*, activation="softmax", **options):
    return keras.Sequential(
        [
            keras.layers.Input((FEATURES,)),
            keras.layers.Dense(16, activation="relu", **options),
            keras.layers.Dense(CLASSES, activation=activation),
        ]
    )


def classifier_with_everything():
    return keras.Sequential(
        [
            keras.layers.Input((FEATURES,)),
            keras.layers.Dense(16, activation="relu", kernel_regularizer="l2"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def regressor():
    return keras.Sequential(
        [keras.layers.Input((FEATURES,)), keras.layers.Dense(16, activation="tanh"), keras.layers.Dense(1)]
    )


def adam():
    return keras.optimizers.Adam(1e-2)


cross_entropy = keras.losses.CategoricalCrossentropy()


def step_with(model, optimizer, x, y, loss_of, training=True, variables=None, change=lambda g: g):
    """A right step, but for what the case passes in."""
    variables = model.trainable_variables if variables is None else variables
    with tf.GradientTape() as tape:
        loss = loss_of(y, model(x, training=training)) + sum(model.losses)
    optimizer.apply_gradients(zip(change(tape.gradient(loss, variables)), variables, strict=True))
    return loss
