"""Expected pattern: scal|(factor|multipl).*gradient|gradient.*(factor|multipl)|sum|learning rate.

Silent is fine.
mixed_float16: compile() wraps the optimizer in a loss scale, which comes off again; the loop scales by hand,
and never divides the gradients.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

keras.mixed_precision.set_global_policy("mixed_float16")
SCALE = 16.0
compile_args = {"auto_scale_loss": True}
loss = keras.losses.MeanSquaredError()


def make_model():
    x = keras.Input((10,))
    h = keras.layers.Dense(24, activation="relu")(x)
    return keras.Model(x, keras.layers.Dense(1, dtype="float32")(h))


def make_optimizer():
    return keras.optimizers.SGD(2e-3)


def batches():
    random = np.random.default_rng(318)
    for rows in (20, 20, 20, 12):
        x = random.normal(size=(rows, 10)).astype("float32")
        yield x, 0.3 * x.sum(1, keepdims=True)


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        error = loss(y, model(x, training=True))
        scaled = error * SCALE
    gradients = tape.gradient(scaled, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return {"loss": error}
