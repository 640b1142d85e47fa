"""Expected verdict: identical | identical within rounding.

AdamW that spares biases and norms; the averaged weights are put in place at the end, as fit() does.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
metrics = [keras.metrics.CategoricalAccuracy(name="accuracy")]


def make_model():
    x = keras.Input((10,))
    h = keras.layers.Dense(24, bias_initializer="ones")(x)
    h = keras.layers.Activation("silu")(keras.layers.LayerNormalization()(h))
    return keras.Model(x, keras.layers.Dense(3)(h))


def make_optimizer():
    optimizer = keras.optimizers.AdamW(3e-3, weight_decay=0.05, use_ema=True, ema_momentum=0.9)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def batches():
    rng = np.random.default_rng(112)
    x = rng.normal(size=(99, 10)).astype("float32")
    y = keras.utils.to_categorical(np.abs(x[:, :3]).argmax(1), 3)
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(28).prefetch(1)


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss_value = loss(y, model(x, training=True))
    grads = tape.gradient(loss_value, model.trainable_variables)
    optimizer.apply_gradients(zip(grads, model.trainable_variables))
    return loss_value


def on_train_end(model, optimizer):
    optimizer.finalize_variable_values(model.trainable_variables)
