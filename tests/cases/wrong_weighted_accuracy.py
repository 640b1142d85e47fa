"""Expected pattern: metric|accuracy|report|weighted|^identical$.

Silent is fine.
The training is right; but accuracy is a weighted metric in compile(), and the loop counts each row alike.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = keras.losses.SparseCategoricalCrossentropy()
compile_args = {"weighted_metrics": ["accuracy"]}
accuracy = keras.metrics.SparseCategoricalAccuracy()


def make_model():
    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(12, activation="relu"), keras.layers.Dense(3, "softmax")]
    )


def make_optimizer():
    return keras.optimizers.Adam(1e-2)


def batches():
    random = np.random.default_rng(317)
    for rows in (25, 25, 25, 19):
        x = random.normal(size=(rows, 6)).astype("float32")
        y = x[:, :3].argmax(1)
        yield x, y, np.where(y == 0, 5.0, 0.5).astype("float32")


def on_epoch_begin(model, optimizer, epoch):
    accuracy.reset_state()


@tf.function
def train_step(model, optimizer, x, y, sample_weight):
    with tf.GradientTape() as tape:
        guess = model(x, training=True)
        value = loss(y, guess, sample_weight=sample_weight)
    optimizer.apply_gradients(zip(tape.gradient(value, model.trainable_variables), model.trainable_variables))
    accuracy.update_state(y, guess)
    return {"loss": value, "accuracy": accuracy.result()}
