"""Expected pattern: ema|average|finali.

The optimizer averages the weights; fit() ends with the averages in the model, the loop with the last weights.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = "mse"


def make_model():
    return keras.Sequential(
        [keras.Input((9,)), keras.layers.Dense(18, activation="relu"), keras.layers.Dense(1, use_bias=False)]
    )


def make_optimizer():
    return keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.95)


def batches():
    rng = np.random.default_rng(206)
    x = rng.normal(size=(70, 9)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((x, np.abs(x[:, :1]))).batch(20)


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        error = tf.reduce_mean(tf.square(model(x, training=True) - y))
    optimizer.apply(tape.gradient(error, model.trainable_variables), model.trainable_variables)
    return error
