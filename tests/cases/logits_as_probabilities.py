"""Expected verdict: logits taken for probabilities."""

from tensorflow import keras

from tests.cases.common import adam, classifier, cross_entropy, one_hot_batches, step_with


def make_model():
    return classifier(activation=None)


make_optimizer, batches = adam, one_hot_batches
loss = keras.losses.CategoricalCrossentropy(from_logits=True)


def train_step(model, optimizer, x, y):
    return step_with(model, optimizer, x, y, cross_entropy)
