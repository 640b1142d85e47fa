"""Ten Dense layers with Dropout and an AUC, batches of 500, after keras 19953."""

import numpy as np
import tensorflow as tf

loss = tf.keras.losses.BinaryCrossentropy(label_smoothing=0.05)
metrics = [tf.keras.metrics.AUC(name="auc")]
compile_args = {"jit_compile": False}
objective = tf.keras.losses.BinaryCrossentropy(label_smoothing=0.05)
auc = tf.keras.metrics.AUC()


def make_model():
    model = tf.keras.Sequential([tf.keras.Input((4,))])
    for number in range(10):
        model.add(tf.keras.layers.Dense(128, activation="relu"))
        model.add(tf.keras.layers.Dropout(0.1, seed=number))
    model.add(tf.keras.layers.Dense(1, activation="sigmoid"))
    return model


def make_optimizer():
    return tf.keras.optimizers.Adam(0.001)


def batches():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(10_000, 4)).astype("float32"), random.integers(2, size=(10_000, 1))
    return tf.data.Dataset.from_tensor_slices((x, y.astype("float32"))).batch(500)


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        predictions = model(x, training=True)
        value = objective(y, predictions)
    gradients = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    auc.update_state(y, predictions)
    return value
