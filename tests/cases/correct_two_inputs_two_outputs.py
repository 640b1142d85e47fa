"""Expected verdict: identical."""

from tensorflow import keras

from tests.cases.common import ONE_HOT, VALUES, X, adam, cross_entropy, in_batches, step_with


def make_model():
    a, b = keras.layers.Input((8,)), keras.layers.Input((8,))
    hidden = keras.layers.Dense(8, activation="relu")(keras.layers.Concatenate()([a, b]))
    heads = [keras.layers.Dense(3, activation="softmax")(hidden), keras.layers.Dense(1)(hidden)]
    return keras.Model([a, b], heads)


def batches():
    for x, targets, values in in_batches(X, ONE_HOT, VALUES):
        yield (x, -x), (targets, values[:, None])


make_optimizer = adam
loss = ["categorical_crossentropy", "mse"]
squared_error = keras.losses.MeanSquaredError()


def train_step(model, optimizer, x, y):
    return step_with(
        model, optimizer, x, y, lambda y, p: cross_entropy(y[0], p[0]) + squared_error(y[1], p[1])
    )
