"""Expected verdict: non-trainable or frozen variables updated."""

import tensorflow as tf

from tests.cases.common import adam, classifier, cross_entropy, one_hot_batches


def make_model():
    model = classifier()
    model.layers[0].trainable = False
    return model


make_optimizer, batches = adam, one_hot_batches
loss = "categorical_crossentropy"


def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        tape.watch([variable.value for variable in model.weights])
        loss = cross_entropy(y, model(x, training=True))
    gradients = tape.gradient(loss, [variable.value for variable in model.weights])
    optimizer.apply_gradients(zip(gradients, model.weights))
    return loss
