"""Expected verdict: gradients of 2 replicas summed where a mean is meant: 2 times too large"""

import tensorflow as tf
from tensorflow import keras

from tests.cases.replicas.common import CLASSES, batches_of, built_in, classifier, made_in, step_on

REPLICAS, ROWS = 2, 16
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
seed = 1
loss = "sparse_categorical_crossentropy"
make_model = made_in(strategy, classifier)
make_optimizer = made_in(strategy, lambda: keras.optimizers.RMSprop(1e-3))
batches = batches_of(CLASSES, ROWS)
on_epoch_begin = built_in(strategy)


def value_of(each):
    return tf.reduce_mean(each)


def parts_of(batch):
    return [batch] * REPLICAS


train_step = step_on(strategy, keras.losses.sparse_categorical_crossentropy, value_of, parts_of)
