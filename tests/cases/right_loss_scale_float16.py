"""Expected verdict: identical | identical within rounding.

mixed_float16 with a LossScaleOptimizer: the step has it scale the loss, and it unscales by itself.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

keras.mixed_precision.set_global_policy("mixed_float16")
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def make_model():
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.Conv2D(8, 3, activation="relu")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(16, activation="relu")(x)
    logits = keras.layers.Dense(4)(x)
    return keras.Model(inputs, keras.layers.Activation("linear", dtype="float32")(logits))


def make_optimizer():
    return keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.1, momentum=0.9), initial_scale=2.0**11, dynamic_growth_steps=5
    )


def batches():
    random = np.random.default_rng(116)
    for rows in (16, 16, 16, 9):
        x = random.normal(size=(rows, 6, 6, 2)).astype("float32")
        yield x, (x[:, 2, 2] > 0) @ np.array([1, 2])


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        value = loss(y, model(x, training=True))
        scaled = optimizer.scale_loss(value)
    gradients = tape.gradient(scaled, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return value
