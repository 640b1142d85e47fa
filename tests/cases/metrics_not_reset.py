"""Expected verdict: metrics not reset."""

import tensorflow as tf
from tensorflow import keras

from tests.cases.common import adam, classifier, cross_entropy, one_hot_batches, step_with

make_model, make_optimizer, batches = classifier, adam, one_hot_batches
loss = "categorical_crossentropy"


seen = keras.metrics.Mean()


def train_step(model, optimizer, x, y):
    seen.update_state(step_with(model, optimizer, x, y, cross_entropy), sample_weight=tf.shape(x)[0])
    return {"loss": seen.result()}
