"""Expected pattern: output|head.*left out|loss_weights.

The model has two heads; its class's train_step trains by the first head's loss alone.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = {"where": "mse", "what": "sparse_categorical_crossentropy"}


class Detector(keras.Model):
    def __init__(self):
        super().__init__()
        self.trunk = keras.layers.Dense(18, activation="relu")
        self.where = keras.layers.Dense(4)
        self.what = keras.layers.Dense(3, activation="softmax")

    def call(self, image):
        h = self.trunk(image)
        return {"where": self.where(h), "what": self.what(h)}

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            found = self(x, training=True)
            error = tf.reduce_mean(tf.square(found["where"] - y["where"]))
        variables = self.trunk.trainable_variables + self.where.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(error, variables), variables))
        return {"loss": error}


def make_model():
    return Detector()


def make_optimizer():
    return keras.optimizers.SGD(0.05)


def batches():
    random = np.random.default_rng(312)
    for rows in (24, 24, 24, 11):
        x = random.normal(size=(rows, 8)).astype("float32")
        yield x, {"where": x[:, :4] ** 2, "what": x[:, 4:7].argmax(1)}
