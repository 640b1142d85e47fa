"""Expected verdict: identical."""

from tensorflow import keras

from tests.cases.common import classifier, cross_entropy, one_hot_batches, step_with

make_model, batches = classifier, one_hot_batches
loss = "categorical_crossentropy"


def make_optimizer():
    rate = keras.optimizers.schedules.ExponentialDecay(1e-2, 5, 0.8)
    return keras.optimizers.AdamW(rate, weight_decay=0.01, global_clipnorm=0.5)


def train_step(model, optimizer, x, y):
    return step_with(model, optimizer, x, y, cross_entropy)
