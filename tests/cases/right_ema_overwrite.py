"""Expected verdict: identical | identical within rounding.

Class weights for integer labels, averaged weights that replace the weights every fifth step, running metrics.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

CLASS_WEIGHT = {0: 0.5, 1: 1.0, 2: 2.5}
seed = 9
loss = keras.losses.SparseCategoricalCrossentropy()
metrics = ["accuracy"]
compile_args = {"weighted_metrics": ["accuracy"]}
fit_args = {"class_weight": CLASS_WEIGHT}

loss_mean = keras.metrics.Mean()
plain = keras.metrics.SparseCategoricalAccuracy()
weighted = keras.metrics.SparseCategoricalAccuracy()


def make_model():
    model = keras.Sequential()
    model.add(keras.Input((8,)))
    model.add(keras.layers.Dense(16))
    model.add(keras.layers.BatchNormalization(momentum=0.8))
    model.add(keras.layers.PReLU())
    model.add(keras.layers.Dense(3, activation="softmax"))
    return model


def make_optimizer():
    return keras.optimizers.SGD(0.1, momentum=0.9, use_ema=True, ema_momentum=0.7, ema_overwrite_frequency=5)


def batches():
    random = np.random.default_rng(309)
    x = random.normal(size=(81, 8)).astype("float32")
    y = np.digitize(x[:, 0] + 0.2 * random.normal(size=81), [0.3, 1.0])
    for start in range(0, 81, 22):
        yield x[start : start + 22], y[start : start + 22]


def on_epoch_begin(model, optimizer, epoch):
    for metric in (loss_mean, plain, weighted):
        metric.reset_state()


def on_train_end(model, optimizer):
    optimizer.finalize_variable_values(model.trainable_variables)


@tf.function
def train_step(model, optimizer, x, y):
    weights = tf.gather(tf.constant([CLASS_WEIGHT[label] for label in range(3)]), tf.cast(y, tf.int32))
    with tf.GradientTape() as tape:
        guess = model(x, training=True)
        value = loss(y, guess, sample_weight=weights)
    optimizer.apply_gradients(zip(tape.gradient(value, model.trainable_variables), model.trainable_variables))
    loss_mean.update_state(value, sample_weight=tf.shape(x)[0])
    plain.update_state(y, guess)
    weighted.update_state(y, guess, sample_weight=weights)
    return {"loss": loss_mean.result(), "accuracy": plain.result(), "weighted_accuracy": weighted.result()}
