"""Expected verdict: integer labels with the wrong loss."""

import tensorflow as tf

from tests.cases.common import adam, classifier, label_batches, step_with

make_model, make_optimizer, batches = classifier, adam, label_batches
loss = "sparse_categorical_crossentropy"


def train_step(model, optimizer, x, y):
    labels = tf.reshape(tf.cast(y, tf.float32), (-1, 1))
    return step_with(model, optimizer, x, y, lambda y, p: tf.reduce_mean(tf.square(labels - p)))
