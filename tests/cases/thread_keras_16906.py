"""Expected verdict: identical.

As in keras-team/keras issue 16906: sparse labels, a model that ends in a softmax, and a loop's
loss that takes logits. Keras 3 warns and goes to the logits behind the softmax: no second softmax is applied.
"""

from tensorflow import keras

from tests.cases.common import adam, classifier, label_batches, step_with

make_model, make_optimizer, batches = classifier, adam, label_batches
loss = "sparse_categorical_crossentropy"
metrics = ["sparse_categorical_accuracy"]
by_logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def train_step(model, optimizer, x, y):
    return step_with(model, optimizer, x, y, by_logits)
