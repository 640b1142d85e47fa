"""Expected verdict: another batch order."""

import tensorflow as tf

from tests.cases.common import BATCH, ONE_HOT, X, adam, classifier, cross_entropy, one_hot_batches, step_with

make_model, make_optimizer, batches = classifier, adam, one_hot_batches
loss = "categorical_crossentropy"


drawn = iter(tf.data.Dataset.from_tensor_slices((X, ONE_HOT)).batch(BATCH).skip(2).repeat())


def train_step(model, optimizer, x, y):
    x, y = next(drawn)
    return step_with(model, optimizer, x, y, cross_entropy)
