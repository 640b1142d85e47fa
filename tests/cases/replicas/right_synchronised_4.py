"""Expected verdict: identical within rounding"""

import functools

import tensorflow as tf
from tensorflow import keras

from tests.cases.replicas.common import CLASSES, batches_of, built_in, classifier, made_in, step_on

REPLICAS, ROWS = 4, 32
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1", "CPU:2", "CPU:3"])
seed = 1
loss = "sparse_categorical_crossentropy"
make_model = made_in(
    strategy, classifier, functools.partial(keras.layers.BatchNormalization, synchronized=True)
)
make_optimizer = made_in(strategy, lambda: keras.optimizers.SGD(0.05, momentum=0.9))
batches = batches_of(CLASSES, ROWS)
on_epoch_begin = built_in(strategy)


def value_of(each):
    return tf.nn.compute_average_loss(each, global_batch_size=ROWS)


def parts_of(batch):
    return tf.split(batch, REPLICAS)


train_step = step_on(strategy, keras.losses.sparse_categorical_crossentropy, value_of, parts_of)
