"""A small LeNet trained by an eager loop, after tensorflow/models 7193 and tensorflow 30596."""

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
            tf.keras.Input((28, 28, 1)),
            layers.Conv2D(6, 3, activation="relu"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 3, activation="relu"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="relu"),
            layers.Dense(84, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def make_optimizer():
    return tf.keras.optimizers.Adam()


def batches():
    random = np.random.default_rng(0)
    x = random.random((640, 28, 28, 1), dtype="float32")
    return tf.data.Dataset.from_tensor_slices((x, random.integers(10, size=640))).batch(32)


def train_step(model, optimizer, images, labels):
    with tf.GradientTape() as tape:
        predictions = model(images, training=True)
        value = objective(labels, predictions)
    gradients = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    accuracy.update_state(labels, predictions)
