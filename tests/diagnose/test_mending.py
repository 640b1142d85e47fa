"""The mended code speaks the names of the user's own step."""

from pathlib import Path

import pytest

from loops.diagnose.mending import mended, names_of_step

HEAD = """
import numpy as np
import tensorflow as tf
from tensorflow import keras

loss = "mse"


def make_model():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])


def make_optimizer():
    return keras.optimizers.SGD(0.1)


def batches():
    yield np.ones((4, 3), "float32"), np.ones((4, 1), "float32")

"""
FUNCTION = """
@tf.function
def train_step(net, adam, features, price):
    with tf.GradientTape() as tape:
        guess = net(features, training=True)
        error = keras.losses.MeanSquaredError()(price, guess)
    adam.apply_gradients(zip(tape.gradient(error, net.trainable_variables), net.trainable_variables))
"""
METHOD = """
class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        rows, answers = data
        with tf.GradientTape() as t:
            value = self.compute_loss(y=answers, y_pred=self(rows, training=True))
        self.optimizer.apply(t.gradient(value, self.trainable_weights), self.trainable_weights)
        return {}


make_model = Own
"""
ADVICE = ("{model}({x}, training=True)", "{optimizer}.apply", "{y}, {loss}")


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return tmp_path / "case.py"


def test_names_are_those_of_a_function(case: Path) -> None:
    case.write_text(HEAD + FUNCTION)
    assert mended(case, ADVICE) == ("net(features, training=True)", "adam.apply", "price, error")


def test_names_are_those_of_a_method(case: Path) -> None:
    case.write_text(HEAD + METHOD)
    assert mended(case, ADVICE) == ("self(rows, training=True)", "self.optimizer.apply", "answers, value")


def test_a_step_that_shows_no_names_gets_the_usual_ones(case: Path) -> None:
    case.write_text(HEAD + "from somewhere import train_step\n")
    case.write_text(HEAD + "train_step = lambda model, optimizer, x, y: None\n")
    assert names_of_step(case) == {}
    assert mended(case, ADVICE) == ("model(x, training=True)", "optimizer.apply", "y, loss")


def test_the_loss_is_mended_with_its_own_names_and_runs(case: Path) -> None:
    case.write_text(HEAD + FUNCTION)
    advice = ("{loss} = {loss_value} + sum({model}.losses)", "{loss} = {loss_fn}({y}, {predictions})")
    assert mended(case, advice) == (
        "error = keras.losses.MeanSquaredError()(price, guess) + sum(net.losses)",
        "error = keras.losses.MeanSquaredError()(price, guess)",
    )


def test_a_loss_that_adds_something_already_is_written_anew(case: Path) -> None:
    step = FUNCTION.replace("price, guess)", "price, guess) + 2 * sum(net.losses)")
    case.write_text(HEAD + step)
    (line,) = mended(case, ("{loss} = {loss_value} + sum({model}.losses)",))
    assert line == "error = keras.losses.MeanSquaredError()(price, guess) + sum(net.losses)"
