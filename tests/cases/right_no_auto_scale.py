"""Expected verdict: identical | identical within rounding.

mixed_float16 whose compile() is told not to scale the loss, and a step that does not scale it either.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

keras.mixed_precision.set_global_policy("mixed_float16")
compile_args = {"auto_scale_loss": False, "steps_per_execution": 2}
loss = keras.losses.CategoricalCrossentropy(from_logits=True)


def make_model():
    x = keras.Input((12,))
    h = keras.layers.Dense(20, activation="relu")(x)
    h = keras.layers.BatchNormalization()(h)
    h = keras.layers.Dense(20, activation="relu")(h)
    return keras.Model(x, keras.layers.Dense(3, dtype="float32")(h))


def make_optimizer():
    return keras.optimizers.SGD(0.05, momentum=0.9)


def batches():
    random = np.random.default_rng(305)
    for rows in (24, 24, 24, 10):
        x = random.normal(size=(rows, 12)).astype("float32")
        yield x, np.eye(3, dtype="float32")[x[:, :3].argmax(1)]


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss_value = loss(y, model(x, training=True))
    grads = tape.gradient(loss_value, model.trainable_variables)
    optimizer.apply_gradients(zip(grads, model.trainable_variables))
    return loss_value
