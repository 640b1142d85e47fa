"""What the cases of replicas share: data, models, and a step of which a case says loss and parts."""

import numpy as np
import tensorflow as tf
from tensorflow import keras

random = np.random.default_rng(1)
X = random.normal(size=(96, 6)).astype("float32")
CLASSES = (X[:, 0] > 0).astype("int64") + (X[:, 1] > 0)
NUMBERS = np.tanh(X @ random.normal(size=(6, 1))).astype("float32")


def batches_of(targets, rows):
    return lambda: tf.data.Dataset.from_tensor_slices((X, targets)).batch(rows)


def made_in(strategy, make, *arguments):
    """A function that makes something within the strategy's scope."""

    def make_there():
        with strategy.scope():
            return make(*arguments)

    return make_there


def classifier(*between):
    hidden = keras.layers.Dense(12, activation="relu")
    return keras.Sequential(
        [keras.Input((6,)), hidden, *(make() for make in between), keras.layers.Dense(3, "softmax")]
    )


def regressor():
    inputs = keras.Input((6,))
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(16, "tanh")(inputs)))


def built_in(strategy):
    """on_epoch_begin(): Keras wants the slots made within the scope."""

    def on_epoch_begin(model, optimizer, epoch):
        with strategy.scope():
            optimizer.build(model.trainable_variables)

    return on_epoch_begin


def step_on(strategy, row_losses, value_of, parts_of):
    """A train_step on the global batch: `parts_of` gives each replica's rows, `value_of` its loss of these."""

    def replica_step(model, optimizer, x, y):
        with tf.GradientTape() as tape:
            value = value_of(row_losses(y, model(x, training=True)))
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return value

    @tf.function
    def train_step(model, optimizer, x, y):
        def mine(batch):
            parts = parts_of(batch)
            return strategy.experimental_distribute_values_from_function(
                lambda context: parts[context.replica_id_in_sync_group]
            )

        values = strategy.run(replica_step, args=(model, optimizer, mine(x), mine(y)))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None)

    return train_step
