"""Expected verdict: gradient clipping extra."""

import tensorflow as tf

from tests.cases.common import adam, classifier, cross_entropy, one_hot_batches, step_with

make_model, make_optimizer, batches = classifier, adam, one_hot_batches
loss = "categorical_crossentropy"


def train_step(model, optimizer, x, y):
    return step_with(
        model,
        optimizer,
        x,
        y,
        cross_entropy,
        change=lambda g: [tf.clip_by_value(each, -0.01, 0.01) for each in g],
    )
