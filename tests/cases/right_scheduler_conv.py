"""Expected verdict: identical | identical within rounding.

A small convolutional net whose rate a LearningRateScheduler sets by epoch, and the loop's hook alike.
"""

import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers


def cosine(epoch, rate=None):
    return 1e-3 + 0.5 * (2e-2 - 1e-3) * (1 + math.cos(math.pi * min(epoch, 6) / 6))


loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
metrics = ["accuracy"]
fit_args = {"callbacks": [keras.callbacks.LearningRateScheduler(cosine)]}


def conv_block(x, filters):
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.MaxPooling2D()(layers.ReLU()(x))


def make_model():
    image = keras.Input((8, 8, 3))
    x = conv_block(conv_block(image, 6), 8)
    x = layers.Dropout(0.25)(layers.Flatten()(x))
    return keras.Model(image, layers.Dense(4)(x))


def make_optimizer():
    return keras.optimizers.SGD(2e-2, momentum=0.9)


def batches():
    rng = np.random.default_rng(105)
    for size in (16, 16, 16, 10):
        yield rng.random((size, 8, 8, 3), np.float32), rng.integers(0, 4, size)


def on_epoch_begin(model, optimizer, epoch):
    optimizer.learning_rate = cosine(epoch)


@tf.function
def train_step(model, optimizer, images, labels):
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        batch_loss = loss(labels, logits)
    gradients = tape.gradient(batch_loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    hits = tf.cast(tf.argmax(logits, axis=1) == labels, tf.float32)
    return {"loss": batch_loss, "accuracy": tf.reduce_mean(hits)}
