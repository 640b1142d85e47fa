"""Expected pattern: frozen.

A script whose step updates a frozen layer too, with its one optimizer.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

from loops.case import case

keras.utils.set_random_seed(1)
r = np.random.default_rng(0)
x = r.normal(size=(200, 6)).astype("float32")
data = tf.data.Dataset.from_tensor_slices((x, x[:, :1])).batch(32)
model = keras.Sequential(
    [
        keras.Input((6,)),
        keras.layers.Dense(8, activation="tanh"),
        keras.layers.Dense(8, activation="tanh"),
        keras.layers.Dense(1),
    ]
)
model.layers[0].trainable = False
opt = keras.optimizers.SGD(1e-2)


@tf.function
def train_step(x, y):
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        for v in model.weights:
            tape.watch(v.value)
        value = tf.reduce_mean(keras.losses.mse(y, model(x, training=True)))
    g = tape.gradient(value, [v.value for v in model.weights])
    opt.apply_gradients(zip(g, model.weights))
    return value


case(model=model, optimizer=opt, loss="mse", batches=data, train_step=train_step)
