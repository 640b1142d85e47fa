"""Expected verdict: gradients of 2 replicas summed where a mean is meant: 2 times too large"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
REPLICAS = 2
seed = 4
loss = "sparse_categorical_crossentropy"
rng = np.random.default_rng(4)
X = rng.normal(size=(96, 6)).astype("float32")
Y = (X[:, 0] > 0).astype("int64") + (X[:, 1] > 0)
GLOBAL_BATCH = 16


def make_model():
    with strategy.scope():
        return keras.Sequential(
            [keras.Input((6,)), keras.layers.Dense(12, "relu"), keras.layers.Dense(3, activation="softmax")]
        )


def make_optimizer():
    with strategy.scope():
        return keras.optimizers.Adam(1e-3)


def batches():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(GLOBAL_BATCH)


def on_epoch_begin(model, optimizer, epoch):
    with strategy.scope():
        optimizer.build(model.trainable_variables)


def replica_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        each = keras.losses.sparse_categorical_crossentropy(y, model(x, training=True))
        value = tf.reduce_mean(each)
    gradients = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return value


@tf.function
def train_step(model, optimizer, x, y):
    xs, ys = (tf.split(each, REPLICAS) for each in (x, y))
    own = [
        strategy.experimental_distribute_values_from_function(
            lambda c, parts=parts: parts[c.replica_id_in_sync_group]
        )
        for parts in (xs, ys)
    ]
    values = strategy.run(replica_step, args=(model, optimizer, *own))
    return strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None)
