"""A loss that a loop within the tape adds up, one call of the model a round, after tensorflow 50198."""

import numpy as np
import tensorflow as tf

ROUNDS = 50
loss = tf.keras.losses.MeanSquaredError()
objective = tf.keras.losses.MeanSquaredError()


def make_model():
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            tf.keras.Input((64,)),
            layers.Dense(256, activation="relu"),
            layers.Dense(256, activation="relu"),
            layers.Dense(1),
        ]
    )


def make_optimizer():
    return tf.keras.optimizers.Adam(0.001)


def batches():
    random = np.random.default_rng(0)
    x = random.random((4 * ROUNDS * 8, 64), dtype="float32")
    return tf.data.Dataset.from_tensor_slices((x, x.sum(1, keepdims=True))).batch(ROUNDS * 8)


@tf.function
def train_step(model, optimizer, inputs, targets):
    parts = [tf.reshape(each, (ROUNDS, 8, each.shape[1])) for each in (inputs, targets)]
    with tf.GradientTape() as tape:
        total = tf.zeros(())
        for number in tf.range(ROUNDS):
            total += objective(parts[1][number], model(parts[0][number], training=True))
        total /= ROUNDS
    gradients = tape.gradient(total, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return total
