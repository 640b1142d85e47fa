"""Expected verdict: arguments of the loss swapped."""

from tensorflow import keras

from tests.cases.common import adam, classifier, one_hot_batches, step_with

make_model, make_optimizer, batches = classifier, adam, one_hot_batches
loss = "kl_divergence"


def train_step(model, optimizer, x, y):
    return step_with(model, optimizer, x, y, lambda y, p: keras.losses.KLDivergence()(p, y))
