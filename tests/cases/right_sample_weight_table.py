"""Expected verdict: identical | identical within rounding.

A functional classifier of tables; every row has a weight, some of them zero, and the step weighs by hand.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

rng = np.random.default_rng(101)
TABLE = rng.normal(size=(86, 7)).astype("float32")
KINDS = np.eye(4, dtype="float32")[(TABLE[:, :4] + 0.3 * rng.normal(size=(86, 4))).argmax(1)]
TRUST = (rng.gamma(2.0, 0.7, 86) * (rng.random(86) > 0.15)).astype("float32")

loss = "categorical_crossentropy"
compile_args = {"weighted_metrics": ["accuracy"]}


def make_model():
    inputs = keras.Input((7,), name="row")
    wide = keras.layers.Dense(20, activation="swish")(inputs)
    joined = keras.layers.Concatenate()([inputs, keras.layers.Dropout(0.1)(wide)])
    return keras.Model(inputs, keras.layers.Dense(4, activation="softmax")(joined))


def make_optimizer():
    return keras.optimizers.Adam(4e-3)


def batches():
    for start in range(0, len(TABLE), 24):
        part = slice(start, start + 24)
        yield TABLE[part], KINDS[part], TRUST[part]


@tf.function
def train_step(model, optimizer, x, y, sample_weight):
    with tf.GradientTape() as tape:
        probabilities = model(x, training=True)
        per_row = keras.losses.categorical_crossentropy(y, probabilities)
        value = tf.reduce_sum(per_row * sample_weight) / tf.cast(tf.shape(per_row)[0], per_row.dtype)
    gradients = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return {"loss": value}
