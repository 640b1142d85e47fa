"""Expected verdict: identical."""

from tensorflow import keras

from tests.cases.common import adam, classifier, label_batches, step_with

make_model, make_optimizer, batches = classifier, adam, label_batches
loss = keras.losses.SparseCategoricalCrossentropy()


def train_step(model, optimizer, x, y):
    return {"loss": step_with(model, optimizer, x, y, loss)}
