"""Expected verdict: gradients accumulated across steps."""

import tensorflow as tf

from tests.cases.common import adam, classifier, cross_entropy, one_hot_batches

make_model, make_optimizer, batches = classifier, adam, one_hot_batches
loss = "categorical_crossentropy"


sums = []


def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = cross_entropy(y, model(x, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    if not sums:
        sums.extend(tf.Variable(tf.zeros_like(each), trainable=False) for each in gradients)
    for total, gradient in zip(sums, gradients):
        total.assign_add(gradient)
    optimizer.apply_gradients(zip(sums, model.trainable_variables))
    return loss
