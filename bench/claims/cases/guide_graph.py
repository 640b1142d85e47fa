"""A convolution with L2, Dropout and BatchNormalization under tf.function, after tensorflow 31938."""

import numpy as np
import tensorflow as tf

loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
objective = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def make_model():
    layers = tf.keras.layers
    l2 = tf.keras.regularizers.L2(0.02)
    return tf.keras.Sequential(
        [
            tf.keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu", kernel_regularizer=l2),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.1, seed=1),
            layers.Dense(64, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(10),
        ]
    )


def make_optimizer():
    return tf.keras.optimizers.Adam(0.001)


def batches():
    random = np.random.default_rng(0)
    x = random.random((1280, 28, 28, 1), dtype="float32")
    return tf.data.Dataset.from_tensor_slices((x, random.integers(10, size=1280))).batch(64)


@tf.function
def train_step(model, optimizer, inputs, labels):
    with tf.GradientTape() as tape:
        predictions = model(inputs, training=True)
        total = objective(labels, predictions) + tf.add_n(model.losses)
    gradients = tape.gradient(total, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return total
