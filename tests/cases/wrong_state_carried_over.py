"""Expected pattern: state|recurrent|reset|epoch|callback.

Silent is fine.
A stateful GRU, cleared by a callback when an epoch begins; in the loop the state goes on into the next epoch.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras


class Forget(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.get_layer("memory").reset_state()


fit_args = {"callbacks": [Forget()]}
loss = keras.losses.MeanSquaredError()


def make_model():
    x = keras.Input(batch_shape=(12, 5, 3))
    memory = keras.layers.GRU(8, stateful=True, name="memory")(x)
    return keras.Model(x, keras.layers.Dense(2)(memory))


def make_optimizer():
    return keras.optimizers.Adam(1e-2)


def batches():
    walk = np.random.default_rng(207).normal(size=(12, 20, 3)).cumsum(1).astype("float32") / 4
    return [(walk[:, i : i + 5], walk[:, i + 4, :2] - walk[:, i, :2]) for i in (0, 5, 10, 15)]


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        value = loss(y, model(x, training=True))
    grads = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(grads, model.trainable_variables))
    return {"loss": value}
