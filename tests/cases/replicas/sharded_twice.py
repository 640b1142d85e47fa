"""Expected verdict: data sharded twice: a replica sees 1 of 4 parts of the batch"""

import tensorflow as tf
from tensorflow import keras

from tests.cases.replicas.common import CLASSES, batches_of, built_in, classifier, made_in, step_on

REPLICAS, ROWS = 2, 16
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
seed = 1
loss = "sparse_categorical_crossentropy"
make_model = made_in(strategy, classifier)
make_optimizer = made_in(strategy, lambda: keras.optimizers.Adam(1e-3))
batches = batches_of(CLASSES, ROWS)
on_epoch_begin = built_in(strategy)


def value_of(each):
    return tf.reduce_sum(each) / ROWS


def parts_of(batch):
    return [tf.split(part, REPLICAS)[i] for i, part in enumerate(tf.split(batch, REPLICAS))]


train_step = step_on(strategy, keras.losses.sparse_categorical_crossentropy, value_of, parts_of)
