"""Two Dense layers on flat digits, RMSprop, an eager loop, after tensorflow 28714."""

import numpy as np
import tensorflow as tf

loss = "sparse_categorical_crossentropy"
metrics = ["sparse_categorical_accuracy"]
objective = tf.keras.losses.SparseCategoricalCrossentropy()


def make_model():
    inputs = tf.keras.Input((784,), name="digits")
    x = tf.keras.layers.Dense(64, activation="relu")(inputs)
    x = tf.keras.layers.Dense(64, activation="relu")(x)
    return tf.keras.Model(inputs, tf.keras.layers.Dense(10, activation="softmax")(x))


def make_optimizer():
    return tf.keras.optimizers.RMSprop(1e-3)


def batches():
    random = np.random.default_rng(0)
    x = random.random((1280, 784), dtype="float32")
    return tf.data.Dataset.from_tensor_slices((x, random.integers(10, size=1280))).batch(64)


def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        value = objective(y, model(x, training=True))
    gradients = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return value
