"""A verdict may be silent; it may not mislead."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from loops.case.loading import Start
from loops.diagnose.band import CHAOS, FACTOR, Band, moved_by_one_ulp
from loops.diagnose.engine import diagnose
from loops.parity.states import State, VariableName

HEAD = """
import numpy as np
import tensorflow as tf
from tensorflow import keras

criterion = loss = keras.losses.MeanSquaredError()


def make_model():
    dense = keras.layers.Dense
    return keras.Sequential([keras.Input((6,)), dense(9, activation="tanh"), dense(2)])


def make_optimizer():
    return keras.optimizers.Adam(1e-3)


def batches():
    random = np.random.default_rng(2)
    for rows in (16, 16, 16, 7):
        x = random.normal(size=(rows, 6)).astype("float32")
        yield x, x[:, :2] * x[:, 2:4]
"""
STEP = """

@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        value = {loss}
    gradients = tape.gradient(value, model.trainable_variables)
    {change}
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return value
"""
RIGHT = "criterion(y, model(x, training=True))"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def case(loss: str = RIGHT, change: str = "pass", head: str = HEAD) -> Path:
        path = tmp_path / "case.py"
        path.write_text(head + STEP.format(loss=loss, change=change))
        return path

    return case


def test_loss_scaled_under_adam_is_found_though_the_weights_hardly_show_it(write: Write) -> None:
    found = diagnose(write("144.0 * " + RIGHT), 10)
    assert not found.identical
    assert found.verdict.startswith("loss or gradients scaled by 144:")
    assert found.cause == found.verdict


def test_gradients_scaled_for_some_layers_are_found_under_adam(write: Write) -> None:
    found = diagnose(write(change="gradients = [0.1 * g for g in gradients[:2]] + gradients[2:]"), 10)
    assert found.verdict.startswith("gradients of some variables scaled, by 0.1:")


def test_departure_beyond_rounding_is_not_called_a_kind_of_rounding(write: Write) -> None:
    """The loss is a sum over outputs divided by a constant: it rounds otherwise, and is twice as large."""
    found = diagnose(
        write("tf.reduce_sum(tf.square(y - model(x, training=True))) / tf.cast(tf.shape(x)[0], tf.float32)"),
        10,
    )
    assert found.verdict.startswith("loss or gradients scaled by 2:")


def test_the_same_mathematics_in_other_kernels_is_within_rounding(write: Write) -> None:
    found = diagnose(write("tf.reduce_mean(tf.reduce_mean((y - model(x, training=True)) ** 2, axis=0))"), 10)
    assert found.verdict in ("identical", "identical within rounding")
    assert found.identical


def test_unknown_mistake_is_silent_and_says_where_it_begins(write: Write) -> None:
    found = diagnose(
        write(change="gradients = [g + 0.01 * tf.sin(40 * v) for g, v in zip(gradients, model.weights)]"),
        10,
    )
    assert found.verdict == "unexplained: the departure begins at step 1, in what is done to the gradients"
    assert found.cause is None
    assert any("gradients of the loss: as in fit()" in line for line in found.evidence)


OWN_STEP = HEAD.replace(
    "def make_model():\n    dense = keras.layers.Dense\n    return keras.Sequential(",
    '''
class Own(keras.Sequential):
    """Its train_step is no writing of Keras's: it forgets nothing, and adds something."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            value = self.compute_loss(x, y, self(x, training=True)) + tf.reduce_mean(self.layers[0].kernel)
        gradients = tape.gradient(value, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": value}


def make_model():
    dense = keras.layers.Dense
    return Own(''',
)


def test_no_mistake_in_the_step_is_named_where_the_replay_does_not_give_fits_own_run(write: Write) -> None:
    found = diagnose(write("2.0 * " + RIGHT, head=OWN_STEP), 8)
    assert not found.identical
    assert found.cause is None
    assert any("does not reproduce fit() here" in line for line in found.evidence)


FLOAT32 = 2.0**-23


def test_start_is_moved_by_one_ulp_in_every_floating_value() -> None:
    values = np.array([1.0, -2.0, 0.0, 1e-3], np.float32), np.array([3, 4], np.uint32)
    moved = moved_by_one_ulp(Start(values), seed=1, eps=FLOAT32).values
    assert np.array_equal(moved[1], values[1])
    assert moved[0][2] == 0
    for index in (0, 1, 3):
        neighbours = [np.nextafter(values[0][index], np.float32(end)) for end in (-np.inf, np.inf)]
        assert moved[0][index] in neighbours
    other = moved_by_one_ulp(Start(values), seed=2, eps=FLOAT32).values
    assert not np.array_equal(moved[0], other[0])
    coarse = moved_by_one_ulp(Start(values), seed=1, eps=2.0**-7).values[0]  # of bfloat16
    assert abs(coarse[0] - 1) == 2.0**-7


def state(weight: list[float], slot: list[float]) -> State:
    return State(named(weight), {}, named(slot), {})


def test_band_is_the_widest_drift_so_far_of_each_variable() -> None:
    """The weight starts at 0 and has travelled 1; rounding is 1e-5 of it, then less, which does not count."""
    band = Band([{WEIGHT: 1e-5, SLOT: 0.0}, {WEIGHT: 1e-6, SLOT: 0.0}], [1e-5, 1e-6], Start((np.zeros(1),)))
    assert band.at(1) == band.at(2) == pytest.approx(FACTOR * 1e-5)
    two = state([1.0], [1.0])
    for step in (1, 2):
        assert band.holds(step, state([1 + 0.9e-4], [1.0]), two)
        assert not band.holds(step, state([1 + 1.2e-4], [1.0]), two)
    assert not band.holds(1, state([1.0], [1.0001]), two)  # of the slot no drift was seen


def test_variable_that_travels_far_does_not_hide_another() -> None:
    band = Band([{WEIGHT: 0.0, OTHER: 0.0}], [0.0], Start((np.zeros(1), np.zeros(1))))
    far, off = State(named([1e7], [1.0]), {}, {}, {}), State(named([1e7], [0.5]), {}, {}, {})
    assert not band.holds(1, off, far)


def test_band_that_could_hide_a_mistake_ends_the_steps_that_are_judged() -> None:
    gaps: list[dict[tuple[str, int], float]] = [{WEIGHT: 0.0}] * 3
    assert Band(gaps, [1e-6, 1e-4, 2 * CHAOS], Start((np.zeros(1),))).steps == 2
    assert Band(gaps, [1.0, 1.0, 1.0], Start((np.zeros(1),))).steps == 0


WEIGHT, OTHER, SLOT = ("weight", 0), ("weight", 1), ("slot", 0)


def named(*arrays: list[float]) -> dict[VariableName, np.ndarray]:
    return {VariableName(index, "v"): np.array(array, np.float32) for index, array in enumerate(arrays)}


def test_what_rounding_alone_moves_is_left_out_of_the_distance() -> None:
    """The second variable's first step is noise; a model that is noise all over is not judged."""
    quiet, loud = State(named([1.0], [1.0]), {}, {}, {}), State(named([1.0], [3.0]), {}, {}, {})
    band = Band([{WEIGHT: 0.0, OTHER: 1.0}], [0.0], Start((np.zeros(1), np.zeros(1))), frozenset({1}))
    assert band.distance(quiet, State(named([1.5], [3.0]), {}, {}, {})) == pytest.approx(0.5)
    assert band.distance(quiet, loud) == pytest.approx(2.0)  # the only difference that there is
