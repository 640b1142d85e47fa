"""Expected verdict: gradients of 2 replicas summed where a mean is meant: 2 times too large"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
REPLICAS = 2
seed = 1
loss = "sparse_categorical_crossentropy"
rng = np.random.default_rng(1)
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
        return keras.optimizers.RMSprop(1e-3)


def batches():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(GLOBAL_BATCH)


def on_epoch_begin(model, optimizer, epoch):
    with strategy.scope():
        optimizer.build(model.trainable_variables)


@tf.function
def train_step(net, adam, features, target):
    def of_one(x, t):
        with tf.GradientTape() as tape:
            error = keras.losses.sparse_categorical_crossentropy(t, net(x, training=True))
            cost = tf.reduce_mean(error)
        adam.apply(tape.gradient(cost, net.trainable_variables), net.trainable_variables)
        return cost

    def mine(tensor):
        return strategy.experimental_distribute_values_from_function(lambda context: tensor)

    costs = strategy.run(of_one, (mine(features), mine(target)))
    return {"loss": strategy.reduce("SUM", costs, axis=None)}
