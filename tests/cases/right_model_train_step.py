"""Expected verdict: identical | identical within rounding.

The model's class overrides train_step as Keras's guide does, with the loss's mean weighed by rows.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = keras.losses.SparseCategoricalCrossentropy()
metrics = ["accuracy"]


class CustomModel(keras.Model):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)  # Forward pass
            loss = self.compute_loss(y=y, y_pred=y_pred)
        trainable_vars = self.trainable_variables
        gradients = tape.gradient(loss, trainable_vars)
        self.optimizer.apply(gradients, trainable_vars)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=tf.shape(x)[0])
            else:
                metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}


def make_model():
    inputs = keras.Input(shape=(13,))
    x = keras.layers.Dense(16, activation="relu", kernel_regularizer="l2")(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GaussianNoise(0.1)(x)
    outputs = keras.layers.Dense(5, activation="softmax")(x)
    return CustomModel(inputs, outputs)


def make_optimizer():
    return keras.optimizers.Adam(learning_rate=2e-3, clipnorm=0.5)


def batches():
    random = np.random.default_rng(114)
    x = random.random((75, 13)).astype("float32")
    y = random.integers(0, 5, 75)
    for i in range(0, 75, 20):
        yield x[i : i + 20], y[i : i + 20]
