"""Expected verdict: identical."""

from tensorflow import keras

from tests.cases.common import adam, regressor, step_with, value_batches

make_model, make_optimizer, batches = regressor, adam, value_batches
loss = keras.losses.MeanSquaredError()


def train_step(model, optimizer, x, y):
    return step_with(model, optimizer, x, y, loss)
