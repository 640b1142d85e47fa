"""Expected verdict: identical.

As in keras-team/keras issue 19341: selu layers under MaxNorm constraints; from one start the loop is right.
"""

import tensorflow as tf
from tensorflow import keras

from tests.cases.common import FEATURES, value_batches


def make_model():
    limit = keras.constraints.MaxNorm(2)
    options = {"kernel_initializer": "lecun_normal", "kernel_constraint": limit, "bias_constraint": limit}
    x = keras.Input((FEATURES,))
    hidden = keras.layers.Dense(FEATURES, activation="selu", **options)(x)
    return keras.Model(x, keras.layers.Dense(1)(hidden))


make_optimizer = keras.optimizers.Nadam
loss = keras.losses.MeanSquaredError()
batches = value_batches


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        batch_loss = loss(y, model(x, training=True))
    gradients = tape.gradient(batch_loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    return batch_loss
