"""A recurrent text model with each gradient clipped by its norm, after tensorflow 40453 (a TPU there)."""

import numpy as np
import tensorflow as tf

loss = "sparse_categorical_crossentropy"
metrics = ["sparse_categorical_accuracy"]
objective = tf.keras.losses.SparseCategoricalCrossentropy()
accuracy = tf.keras.metrics.SparseCategoricalAccuracy()


def make_model():
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            tf.keras.Input((20,), dtype="int32"),
            layers.Embedding(500, 32),
            layers.LSTM(32),
            layers.Dense(500, activation="softmax"),
        ]
    )


def make_optimizer():
    return tf.keras.optimizers.RMSprop(clipnorm=0.5)


def batches():
    random = np.random.default_rng(0)
    x, y = random.integers(500, size=(640, 20)), random.integers(500, size=640)
    return tf.data.Dataset.from_tensor_slices((x.astype("int32"), y)).batch(32)


@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        predictions = model(x, training=True)
        value = objective(y, predictions)
    gradients = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    accuracy.update_state(y, predictions)
    return value
