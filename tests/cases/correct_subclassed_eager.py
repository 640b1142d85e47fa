"""Expected verdict: identical | identical within rounding."""

from tensorflow import keras

from tests.cases.common import adam, one_hot_batches, step_with


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(16, activation="relu")
        self.last = keras.layers.Dense(3)

    def call(self, x):
        return self.last(self.hidden(x))


make_model, make_optimizer, batches = Net, adam, one_hot_batches
loss = keras.losses.CategoricalCrossentropy(from_logits=True)


def train_step(model, optimizer, x, y):
    return float(step_with(model, optimizer, x, y, loss))
