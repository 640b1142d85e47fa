"""Expected verdict: targets (n,) against predictions (n, 1)."""

import tensorflow as tf

from tests.cases.common import adam, regressor, step_with, value_batches

make_model, make_optimizer, batches = regressor, adam, value_batches
loss = "mse"


def train_step(model, optimizer, x, y):
    return step_with(model, optimizer, x, y, lambda y, p: tf.reduce_mean(tf.square(y - p)))
