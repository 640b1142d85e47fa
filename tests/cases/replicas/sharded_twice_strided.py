"""Expected verdict: data sharded twice: a replica sees 1 of 4 parts of the batch"""

import tensorflow as tf
from tensorflow import keras

from tests.cases.replicas.common import NUMBERS, batches_of, built_in, made_in, regressor, step_on

REPLICAS, ROWS = 2, 16
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
seed = 8
loss = "mean_squared_error"
make_model = made_in(strategy, regressor)
make_optimizer = made_in(strategy, lambda: keras.optimizers.Adagrad(0.05))
batches = batches_of(NUMBERS, ROWS)
on_epoch_begin = built_in(strategy)


def value_of(each):
    return tf.reduce_mean(each) / REPLICAS


def parts_of(batch):
    return [batch[i::REPLICAS][i::REPLICAS] for i in range(REPLICAS)]


train_step = step_on(strategy, keras.losses.MSE, value_of, parts_of)
