"""Expected verdict: constraints left out."""

import tensorflow as tf
from tensorflow import keras

from tests.cases.common import FEATURES, value_batches


def make_model():
    limit = keras.constraints.MaxNorm(0.5)
    hidden = keras.layers.Dense(8, activation="selu", kernel_constraint=limit, bias_constraint=limit)
    return keras.Sequential([keras.layers.Input((FEATURES,)), hidden, keras.layers.Dense(1)])


def make_optimizer():
    return keras.optimizers.SGD(0.01)


batches = value_batches
loss = "mse"


def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        batch_loss = tf.reduce_mean(tf.square(model(x, training=True)[:, 0] - y))
    gradients = tape.gradient(batch_loss, model.trainable_variables)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        variable.assign_sub(0.01 * gradient)
