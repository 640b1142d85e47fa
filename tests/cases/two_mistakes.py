"""Expected verdict: training=True missing and model.losses left out."""

import tensorflow as tf

from tests.cases.common import adam, classifier_with_everything, cross_entropy, one_hot_batches

make_model, make_optimizer, batches = classifier_with_everything, adam, one_hot_batches
loss = "categorical_crossentropy"


def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = cross_entropy(y, model(x, training=False))
    optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
    return loss
