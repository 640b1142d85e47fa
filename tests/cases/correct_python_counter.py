"""Expected verdict: identical."""

import tensorflow as tf
from tensorflow import keras

from tests.cases.common import adam, classifier, one_hot_batches

make_model, make_optimizer, batches = classifier, adam, one_hot_batches
loss = "categorical_crossentropy"
seen, steps = keras.metrics.Mean(), 0


def train_step(model, optimizer, x, y):
    global steps
    if steps % 5 == 0:  # a counter in Python, which a trace would freeze
        seen.reset_state()
    steps += 1
    with tf.GradientTape() as tape:
        rows = keras.losses.categorical_crossentropy(y, model(x, training=True))
        batch_loss = tf.reduce_mean(rows)
    gradients = tape.gradient(batch_loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    seen.update_state(rows)
    return {"loss": seen.result()}
