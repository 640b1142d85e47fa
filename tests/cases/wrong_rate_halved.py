"""Expected pattern: learning rate.

A whole script whose loop has an optimizer of its own, with half the rate that compile() gets.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

from loops.case import case

keras.utils.set_random_seed(3)
g = np.random.default_rng(215)
signal = g.normal(size=(80, 12, 1)).astype("float32")
target = np.ptp(signal, axis=1)
data = tf.data.Dataset.from_tensor_slices((signal, target)).batch(24)

net = keras.Sequential(
    [
        keras.Input((12, 1)),
        keras.layers.Conv1D(6, 4, activation="relu"),
        keras.layers.GlobalMaxPooling1D(),
        keras.layers.Dense(1),
    ]
)
opt = keras.optimizers.RMSprop(5e-3)
loss_fn = keras.losses.MeanSquaredError()


@tf.function
def update(x, y):
    with tf.GradientTape() as tape:
        loss_value = loss_fn(y, net(x, training=True))
    grads = tape.gradient(loss_value, net.trainable_weights)
    opt.apply_gradients(zip(grads, net.trainable_weights))
    return loss_value


case(
    model=net,
    optimizer=lambda: keras.optimizers.RMSprop(1e-2),
    loss=loss_fn,
    batches=data,
    train_step=update,
)
