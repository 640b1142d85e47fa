"""Expected pattern: loss.?scal|scale_loss.

mixed_float16: the optimizer divides the gradients by its scale, by which the step never multiplied the loss.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

keras.config.set_dtype_policy("mixed_float16")
loss = keras.losses.CategoricalCrossentropy()


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.features = keras.layers.Conv1D(8, 3, activation="relu")
        self.pool = keras.layers.GlobalAveragePooling1D()
        self.top = keras.layers.Dense(3, activation="softmax", dtype="float32")

    def call(self, x):
        return self.top(self.pool(self.features(x)))


make_model = Net


def make_optimizer():
    inner = keras.optimizers.SGD(0.2, momentum=0.9)
    return keras.optimizers.LossScaleOptimizer(inner, initial_scale=256.0)


def batches():
    rng = np.random.default_rng(208)
    for rows in (18, 18, 18, 10):
        x = rng.normal(size=(rows, 10, 3)).astype("float32")
        yield x, np.eye(3, dtype="float32")[x.mean(1).argmax(1)]


def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        value = loss(y, model(x, training=True))
    gradients = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return {"loss": value}
