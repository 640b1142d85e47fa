"""Constants of optimizers are read off changes of weights: those of Keras's own, and updates by hand."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from loops.diagnose.rules import PAPER, UNCORRECTED, Observation, solve_rule
from loops.parity.states import Array

SHAPES = ((7, 5), (5,), (5, 3), (3,))
STEPS = 8
Update = Callable[[int, Array, Array, dict[str, Array]], Array]  # step, weights, gradient, slots → weights


def observed(update: Update, seed: int = 3) -> list[Observation]:
    """Steps of an update in float32, from gradients that a quadratic bowl and some noise give."""
    random = np.random.default_rng(seed)
    weights = [random.normal(size=shape).astype("float32") for shape in SHAPES]
    slots: list[dict[str, Array]] = [{} for _ in SHAPES]
    found = []
    for step in range(1, STEPS + 1):
        gradients = [(0.3 * w + 0.2 * random.normal(size=w.shape)).astype("float32") for w in weights]
        after = [
            np.asarray(update(step, w, g, s), np.float32)
            for w, g, s in zip(weights, gradients, slots, strict=True)
        ]
        found.append(Observation(*(dict(enumerate(each)) for each in (weights, gradients, after))))
        weights = after
    return found


def by_keras(optimizer: Any, seed: int = 3) -> list[Observation]:
    random = np.random.default_rng(seed)
    variables = [tf.Variable(random.normal(size=shape).astype("float32")) for shape in SHAPES]
    found = []
    for _ in range(STEPS):
        before = {i: v.numpy() for i, v in enumerate(variables)}
        gradients = {
            i: (0.3 * w + 0.2 * random.normal(size=w.shape)).astype("float32") for i, w in before.items()
        }
        optimizer.apply([tf.constant(g) for g in gradients.values()], variables)
        found.append(Observation(before, gradients, {i: v.numpy() for i, v in enumerate(variables)}))
    return found


def config(optimizer: Any) -> tuple[str, Mapping[str, Any]]:
    kept = {k: v for k, v in optimizer.get_config().items() if isinstance(v, int | float | bool)}
    return type(optimizer).__name__, kept


OPTIMIZERS = [
    tf.keras.optimizers.SGD(0.0137),
    tf.keras.optimizers.SGD(0.021, momentum=0.83),
    tf.keras.optimizers.SGD(0.021, momentum=0.71, nesterov=True),
    tf.keras.optimizers.Adam(0.0043, beta_1=0.83, beta_2=0.97),
    tf.keras.optimizers.Adam(0.0043, epsilon=0.003),
    tf.keras.optimizers.Adam(0.0043, weight_decay=0.37),
    tf.keras.optimizers.RMSprop(0.0032, rho=0.77),
    tf.keras.optimizers.RMSprop(0.0032, rho=0.9, momentum=0.43),
    tf.keras.optimizers.Adagrad(0.021, initial_accumulator_value=0.043),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda each: str(config(each)[0]))
def test_constants_of_keras_optimizers_are_read_off_their_updates(optimizer: Any) -> None:
    made = type(optimizer).from_config(optimizer.get_config())
    default = type(optimizer)()
    rule = solve_rule(by_keras(made), config(default))[0]
    assert rule.optimizer == type(optimizer).__name__
    assert not rule.form
    own = optimizer.get_config()
    for name, value in rule.constants.items():
        # An epsilon far below the gradients' size cannot be seen
        assert value == pytest.approx(own[name] or 0.0, rel=2e-3) or name == "epsilon"
    odd = {name for name in rule.constants if own[name] != config(default)[1].get(name)}
    assert all(rule.constants[name] == pytest.approx(own[name], rel=2e-3) for name in odd)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda each: str(config(each)[0]))
def test_the_own_optimizer_is_found_with_its_very_constants(optimizer: Any) -> None:
    made = type(optimizer).from_config(optimizer.get_config())
    rule = solve_rule(by_keras(made), config(optimizer))[0]
    given = config(optimizer)[1]
    assert {name: given[name] for name in rule.constants if name in given} == {
        name: value for name, value in rule.constants.items() if name in given
    }


def adam(rate: float, one: float, two: float, epsilon: float, form: str) -> Update:
    def update(step: int, w: Array, g: Array, s: dict[str, Array]) -> Array:
        s["m"] = np.asarray(one * s.get("m", 0 * g) + (1 - one) * g, np.float32)
        s["v"] = np.asarray(two * s.get("v", 0 * g) + (1 - two) * g * g, np.float32)
        if form == UNCORRECTED:
            return np.asarray(w - rate * s["m"] / (np.sqrt(s["v"]) + epsilon))
        mean, square = s["m"] / (1 - one**step), s["v"] / (1 - two**step)
        return np.asarray(w - rate * mean / (np.sqrt(square) + epsilon))

    return update


@pytest.mark.parametrize("form", [UNCORRECTED, PAPER])
def test_other_forms_of_adam_are_told_apart(form: str) -> None:
    steps = observed(adam(0.0043, 0.87, 0.99, 0.002, form))
    rule = solve_rule(
        steps, ("Adam", {"learning_rate": 0.0043, "beta_1": 0.87, "beta_2": 0.99, "epsilon": 1e-7})
    )[0]
    assert rule.form == form
    assert rule.constants["epsilon"] == pytest.approx(0.002, rel=1e-3)


def test_a_dampened_momentum_is_one_of_a_smaller_rate() -> None:
    def update(step: int, w: Array, g: Array, s: dict[str, Array]) -> Array:
        s["v"] = np.asarray(0.8 * s.get("v", 0 * g) + 0.2 * g, np.float32)
        return np.asarray(w - 0.05 * s["v"])

    rule = solve_rule(observed(update), ("SGD", {"learning_rate": 0.05, "momentum": 0.8}))[0]
    assert (rule.constants["learning_rate"], rule.constants["momentum"]) == (0.01, 0.8)


def test_a_decay_of_kernels_alone_is_seen() -> None:
    def update(step: int, w: Array, g: Array, s: dict[str, Array]) -> Array:
        return np.asarray(w - np.float32(0.02) * g - (np.float32(0.02 * 0.13) * w if w.ndim > 1 else 0))

    rule = solve_rule(observed(update), ("SGD", {"learning_rate": 0.02, "momentum": 0.0}))[0]
    assert rule.constants["weight_decay"] == pytest.approx(0.13, rel=1e-3)
    assert rule.decayed == {0, 2}


def test_a_rate_of_its_own_in_each_step_is_listed() -> None:
    rates = [0.03 * 0.71**step for step in range(STEPS)]
    rule = solve_rule(observed(lambda step, w, g, s: w - np.float32(rates[step - 1]) * g), ("SGD", {}))[0]
    assert rule.constants["learning_rate"] == pytest.approx(rates, rel=1e-4)


def test_changes_that_follow_no_rule_get_none() -> None:
    random = np.random.default_rng(5)
    steps = observed(lambda step, w, g, s: w + 0.01 * random.normal(size=w.shape))
    assert solve_rule(steps, ("Adam", {"learning_rate": 1e-3})) == []
