"""Expected verdict: identical | identical within rounding.

Everything eager: a subclassed residual net, run_eagerly in compile(), and a step that looks at its numbers.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

compile_args = {"run_eagerly": True}
loss = keras.losses.MeanSquaredError()
history = []


class Residual(keras.Model):
    def __init__(self, depth=3, width=12):
        super().__init__()
        self.enter = keras.layers.Dense(width)
        self.blocks = [keras.layers.Dense(width, activation="softplus") for _ in range(depth)]
        self.drops = [keras.layers.Dropout(0.1 * i) for i in range(depth)]
        self.leave = keras.layers.Dense(1)

    def call(self, x, training=None):
        x = self.enter(x)
        for block, drop in zip(self.blocks, self.drops):
            x = x + drop(block(x), training=training)
        return self.leave(x)


make_model = Residual


def make_optimizer():
    return keras.optimizers.Adamax(5e-3)


def batches():
    random = np.random.default_rng(110)
    for rows in (22, 22, 13):
        x = random.uniform(-1, 1, (rows, 5)).astype("float32")
        yield x, np.prod(x[:, :2], axis=1, keepdims=True)


def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        value = loss(y, model(x, training=True))
    gradients = tape.gradient(value, model.trainable_variables)
    if not np.isfinite(value.numpy()):
        raise FloatingPointError(f"loss {value} in step {len(history)}")
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    history.append(float(value))
    return history[-1]
