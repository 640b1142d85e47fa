"""Expected verdict: schedule dropped."""

from tensorflow import keras

from tests.cases.common import adam, classifier, cross_entropy, one_hot_batches, step_with


def make_optimizer():
    return keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(1e-2, 1, 0.9))


make_model, batches = classifier, one_hot_batches
loss = "categorical_crossentropy"
own = adam()


def train_step(model, optimizer, x, y):
    return step_with(model, own, x, y, cross_entropy)
