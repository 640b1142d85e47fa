"""Expected verdict: gradients of 4 replicas summed where a mean is meant: 4 times too large"""

import tensorflow as tf
from tensorflow import keras

from tests.cases.replicas.common import NUMBERS, batches_of, built_in, made_in, regressor, step_on

REPLICAS, ROWS = 4, 32
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1", "CPU:2", "CPU:3"])
seed = 1
loss = "mean_squared_error"
make_model = made_in(strategy, regressor)
make_optimizer = made_in(strategy, lambda: keras.optimizers.SGD(0.02))
batches = batches_of(NUMBERS, ROWS)
on_epoch_begin = built_in(strategy)


def value_of(each):
    return tf.reduce_mean(each)


def parts_of(batch):
    return tf.split(batch, REPLICAS)


train_step = step_on(strategy, keras.losses.MSE, value_of, parts_of)
