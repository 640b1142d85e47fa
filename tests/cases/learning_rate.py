"""Expected verdict: other learning rate."""

from tensorflow import keras

from tests.cases.common import adam, classifier, cross_entropy, one_hot_batches, step_with

make_model, make_optimizer, batches = classifier, adam, one_hot_batches
loss = "categorical_crossentropy"


own = keras.optimizers.Adam(0.0123)


def train_step(model, optimizer, x, y):
    return step_with(model, own, x, y, cross_entropy)
