"""Expected verdict: gradients of 4 replicas summed where a mean is meant: 4 times too large"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1", "CPU:2", "CPU:3"])
REPLICAS = 4
seed = 1
loss = "mean_squared_error"
rng = np.random.default_rng(1)
X = rng.normal(size=(96, 6)).astype("float32")
Y = np.tanh(X @ rng.normal(size=(6, 1))).astype("float32")
GLOBAL_BATCH = 32


def make_model():
    with strategy.scope():
        inputs = keras.Input((6,))
        hidden = keras.layers.Dense(16, activation="tanh")(inputs)
        return keras.Model(inputs, keras.layers.Dense(1)(hidden))


def make_optimizer():
    with strategy.scope():
        return keras.optimizers.SGD(0.02)


def batches():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(GLOBAL_BATCH)


def on_epoch_begin(model, optimizer, epoch):
    with strategy.scope():
        optimizer.build(model.trainable_variables)


@tf.function
def train_step(net, adam, features, target):
    def of_one(x, t):
        with tf.GradientTape() as tape:
            error = keras.losses.MSE(t, net(x, training=True))
            cost = tf.reduce_mean(error)
        adam.apply(tape.gradient(cost, net.trainable_variables), net.trainable_variables)
        return cost

    def mine(tensor):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.split(tensor, REPLICAS)[context.replica_id_in_sync_group]
        )

    costs = strategy.run(of_one, (mine(features), mine(target)))
    return {"loss": strategy.reduce("SUM", costs, axis=None)}
