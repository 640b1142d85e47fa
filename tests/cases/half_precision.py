"""Expected verdict: loss or inputs cast to another dtype."""

import tensorflow as tf

from tests.cases.common import adam, classifier, cross_entropy, one_hot_batches, step_with

make_model, make_optimizer, batches = classifier, adam, one_hot_batches
loss = "categorical_crossentropy"


def train_step(model, optimizer, x, y):
    return step_with(model, optimizer, tf.cast(tf.cast(x, tf.float16), tf.float32), y, cross_entropy)
