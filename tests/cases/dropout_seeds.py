"""Expected pattern: extra pass of each batch."""

from tests.cases.common import adam, classifier_with_everything, cross_entropy, one_hot_batches, step_with

make_model, make_optimizer, batches = classifier_with_everything, adam, one_hot_batches
loss = "categorical_crossentropy"


def train_step(model, optimizer, x, y):
    model(x, training=True)
    return step_with(model, optimizer, x, y, cross_entropy)
