"""Which optimizer with which constants do changes of weights follow, that were written out by hand?

Each rule predicts the changes from the gradients and the weights; its constants are solved for by nonlinear
least squares, fewest first, and a rule counts only where it predicts every change but for rounding.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from loops.diagnose.algebra import plain
from loops.parity.states import Array

EPS = float(np.finfo(np.float32).eps)
MOST = 3000  # elements that a rule is solved on
COARSE = 3e-6  # relative, of a change that was computed in float32
TINY, WIDE = 1e-12, 1e3  # bounds of a constant that is solved for by its logarithm
Constants = Mapping[str, Any]


@dataclass(frozen=True)
class Observation:
    """One step: float32 weights before and after it, and the gradients, by index of the variable."""

    before: Mapping[int, Array]
    gradient: Mapping[int, Array]
    after: Mapping[int, Array]


@dataclass(frozen=True)
class Rule:
    """An optimizer by its Keras name, its constants by the names of Keras's arguments, and what it decays.

    Beside them, `form` says how it is written where that is not Keras's way: one of FORMS. `learning_rate`
    is a list where it differs from step to step. `left` is the largest share of a change that stays
    unexplained.
    """

    optimizer: str
    constants: Constants
    form: str = ""
    decayed: frozenset[int] = frozenset()
    left: float = 0.0


@dataclass(frozen=True)
class Written:
    """A way to write an optimizer: its equation, the constants in it, and what Keras takes them to be."""

    optimizer: str
    form: str
    predict: Callable[["Data", Constants], Array]
    defaults: Constants


@dataclass(frozen=True)
class Data:
    """The elements that are solved on: arrays of (steps, elements), and the variable of each element."""

    gradients: Array
    weights: Array
    changes: Array
    noise: Array
    variables: Array
    kernels: frozenset[int] = field(default_factory=frozenset)


def _sgd(data: Data, c: Constants) -> Array:
    """V ← m v - η g; w ← w + v, of Nesterov w + m v - η g (Keras's SGD)."""
    found, speed = [], np.zeros_like(data.gradients[0])
    for gradient in data.gradients:
        speed = c["momentum"] * speed - c["learning_rate"] * gradient
        found.append(c["momentum"] * speed - c["learning_rate"] * gradient if c.get("nesterov") else speed)
    return np.array(found)


def _moments(data: Data, c: Constants) -> Iterator[tuple[int, Array, Array]]:
    mean, square = np.zeros_like(data.gradients[0]), np.zeros_like(data.gradients[0])
    for count, gradient in enumerate(data.gradients, start=1):
        mean = c["beta_1"] * mean + (1 - c["beta_1"]) * gradient
        square = c["beta_2"] * square + (1 - c["beta_2"]) * gradient**2
        yield count, mean, square


def _adam(data: Data, c: Constants) -> Array:
    """Keras's Adam: ε is added before the bias correction ("ε hat" in Kingma & Ba 2015, section 2)."""
    return np.array(
        [
            -c["learning_rate"]
            * (np.sqrt(1 - c["beta_2"] ** t) / (1 - c["beta_1"] ** t))
            * (mean / (np.sqrt(square) + c["epsilon"]))
            for t, mean, square in _moments(data, c)
        ]
    )


def _adam_of_paper(data: Data, c: Constants) -> Array:
    """Algorithm 1 of Kingma & Ba 2015: ε is added after the bias correction."""
    return np.array(
        [
            -c["learning_rate"]
            * (mean / (1 - c["beta_1"] ** t))
            / (np.sqrt(square / (1 - c["beta_2"] ** t)) + c["epsilon"])
            for t, mean, square in _moments(data, c)
        ]
    )


def _adam_uncorrected(data: Data, c: Constants) -> Array:
    return np.array(
        [
            -c["learning_rate"] * mean / (np.sqrt(square) + c["epsilon"])
            for _, mean, square in _moments(data, c)
        ]
    )


def _squares(data: Data, c: Constants, root: Callable[[Array], Array]) -> Array:
    found = []
    square, speed = np.zeros_like(data.gradients[0]), np.zeros_like(data.gradients[0])
    for gradient in data.gradients:
        square = c["rho"] * square + (1 - c["rho"]) * gradient**2
        speed = c["momentum"] * speed + c["learning_rate"] * gradient / root(square)
        found.append(-speed)
    return np.array(found)


def _rmsprop(data: Data, c: Constants) -> Array:
    """Keras's RMSprop: η g / sqrt(s + ε)."""
    return _squares(data, c, lambda square: np.sqrt(square + c["epsilon"]))


def _rmsprop_outside(data: Data, c: Constants) -> Array:
    """η g / (sqrt(s) + ε)."""
    return _squares(data, c, lambda square: np.sqrt(square) + c["epsilon"])


def _adagrad(data: Data, c: Constants) -> Array:
    """Keras's Adagrad: s ← s + g², η g / sqrt(s + ε)."""
    sums = c["initial_accumulator_value"] + np.cumsum(data.gradients**2, axis=0)
    return np.asarray(-c["learning_rate"] * data.gradients / np.sqrt(sums + c["epsilon"]))


ADAM = {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
RMSPROP = {"learning_rate": 1e-3, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7}
SGD = {"learning_rate": 1e-2, "momentum": 0.0}
OUTSIDE, UNCORRECTED, PAPER = FORMS = ("epsilon outside", "uncorrected", "epsilon after")
WAYS = (
    Written("SGD", "", _sgd, SGD),
    Written("Adam", "", _adam, ADAM),
    Written("Adam", PAPER, _adam_of_paper, ADAM),
    Written("Adam", UNCORRECTED, _adam_uncorrected, ADAM),
    Written("RMSprop", "", _rmsprop, RMSPROP),
    Written("RMSprop", OUTSIDE, _rmsprop_outside, RMSPROP),
    Written(
        "Adagrad", "", _adagrad, {"learning_rate": 1e-3, "initial_accumulator_value": 0.1, "epsilon": 1e-7}
    ),
)
SHARES = ("momentum", "beta_1", "beta_2", "rho")  # between 0 and 1, solved for by their distance from 1


def solve_rule(
    steps: Sequence[Observation], prior: tuple[str, Constants], tolerance: float = 1e-4
) -> list[Rule]:
    """The rules that the changes of consecutive steps follow and that take the fewest constants.

    The steps begin with fresh slots. `prior` is fit()'s optimizer, by class name and config. Of each way to
    write an optimizer the constants that must differ from the prior's are solved for, as few as will do.
    """
    data = _sampled(steps)
    with np.errstate(all="ignore"):  # constants that are tried may overflow
        return _nearest(data, prior, tolerance)


def _nearest(data: Data, prior: tuple[str, Constants], tolerance: float) -> list[Rule]:
    ways = sorted(WAYS, key=lambda way: way.optimizer != prior[0])
    for only_prior in (True, False):
        found = [
            rule
            for way in ways
            if (way.optimizer == prior[0]) == only_prior and (rule := _solved(way, data, prior, tolerance))
        ]
        if found:
            least = min(_odd(rule, prior[1]) for rule in found)
            return [rule for rule in found if _odd(rule, prior[1]) == least]
    return []


def _odd(rule: Rule, prior: Constants) -> int:
    """How much a rule takes: its constants that are not the prior's, a rate by step being worth three."""
    odd = sum(value != prior.get(name, value) for name, value in rule.constants.items())
    return odd + bool(rule.form) + 2 * isinstance(rule.constants["learning_rate"], list)


def _sampled(steps: Sequence[Observation]) -> Data:
    indices = sorted(steps[0].gradient)
    sizes = [steps[0].gradient[index].size for index in indices]
    stride = max(1, sum(sizes) // MOST)

    def of(name: str) -> Array:
        rows = [
            np.concatenate([np.asarray(getattr(s, name)[i], np.float64).ravel()[::stride] for i in indices])
            for s in steps
        ]
        return np.array(rows)

    before, after, gradients = of("before"), of("after"), of("gradient")
    changes = after - before
    noise = EPS * (np.abs(before) + np.abs(after)) + COARSE * np.abs(changes) + 1e-30
    variables = np.concatenate(
        [np.full(-(-size // stride), i) for i, size in zip(indices, sizes, strict=True)]
    )
    kernels = frozenset(i for i in indices if steps[0].gradient[i].ndim > 1)
    return Data(gradients, before, changes, noise, variables, kernels)


def _solved(way: Written, data: Data, prior: tuple[str, Constants], tolerance: float) -> Rule | None:
    """The rule of one way, with as few constants as possible that are not the prior's."""
    own = prior[1] if way.optimizer == prior[0] else {}
    start = {name: float(own.get(name, value) or 0.0) for name, value in way.defaults.items()}
    given = float(own.get("weight_decay") or 0.0)
    for nesterov in (
        dict.fromkeys([bool(own.get("nesterov")), False, True]) if way.predict is _sgd else (False,)
    ):
        fixed = {**start, "nesterov": nesterov, "weight_decay": given}
        for decayed in _decayed_sets(data, given):
            for free in _subsets([*start, *(["weight_decay"] if decayed else [])]):
                rule = _fitted(way, data, fixed, free, decayed, tolerance)
                if rule:
                    return rule
    return _by_step(way, data, {**start, "nesterov": False, "weight_decay": 0.0}, tolerance)


def _decayed_sets(data: Data, given: float) -> list[frozenset[int]]:
    every = frozenset(int(i) for i in np.unique(data.variables))
    sets = [frozenset[int](), every, *([data.kernels] if data.kernels not in (every, frozenset()) else [])]
    return sets[1:] + sets[:1] if given else sets


def _subsets(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """No constant, each alone, each two, all."""
    for size in (0, 1, 2):
        yield from combinations(names, size)
    yield tuple(names)


def _predicted(way: Written, data: Data, constants: Constants, decayed: frozenset[int]) -> Array:
    found = way.predict(data, constants)
    if decayed and constants["weight_decay"]:
        where = np.isin(data.variables, sorted(decayed))
        found = found - constants["learning_rate"] * constants["weight_decay"] * data.weights * where
    return found


def _fitted(
    way: Written,
    data: Data,
    fixed: Constants,
    free: Sequence[str],
    decayed: frozenset[int],
    tolerance: float,
) -> Rule | None:
    def with_values(values: Sequence[float]) -> dict[str, Any]:
        return {**fixed, **{name: _from_log(name, v) for name, v in zip(free, values, strict=True)}}

    def residuals(values: Sequence[float]) -> Array:
        predicted = _predicted(way, data, with_values(values), decayed)
        return np.asarray(np.clip((predicted - data.changes) / data.noise, -1e9, 1e9)).ravel()

    constants = dict(fixed)
    if free:
        starts = [_to_log(name, constants[name] or (0.5 if name in SHARES else 1e-2)) for name in free]
        try:
            found = least_squares(residuals, starts, max_nfev=60)
        except ValueError:  # a residual that is no number
            return None
        errors = _errors(found.jac)
        constants = with_values(found.x)
        for name, error in zip(free, errors, strict=True):
            size = 1 - constants[name] if name in SHARES else constants[name]
            constants[name] = plain(float(constants[name]), float(error * abs(size)))
    left = _left(data, _predicted(way, data, constants, decayed))
    if left > tolerance:
        return None
    used = {name: value for name, value in constants.items() if value or name in way.defaults}
    return Rule(way.optimizer, used, way.form, decayed if constants["weight_decay"] else frozenset(), left)


def _to_log(name: str, value: float) -> float:
    return float(np.log(max(1 - value if name in SHARES else value, TINY)))


def _from_log(name: str, value: float) -> float:
    most = 1.0 if name in SHARES else WIDE
    size = float(np.exp(np.clip(value, np.log(TINY), np.log(most))))
    return 1 - size if name in SHARES else size


def _errors(jacobian: Array) -> Array:
    """Standard errors of the logarithms."""
    return np.asarray(np.sqrt(np.abs(np.diag(np.linalg.pinv(jacobian.T @ jacobian)))))


def _left(data: Data, predicted: Array) -> float:
    """The largest share of a variable's change in a step that is left over beyond rounding."""
    worst = 0.0
    if not np.isfinite(predicted).all():
        return float("inf")
    for index in np.unique(data.variables):
        own = data.variables == index
        apart = np.linalg.norm((predicted - data.changes)[:, own], axis=1)
        noise = 4 * np.linalg.norm(data.noise[:, own], axis=1)
        size = np.linalg.norm(data.changes[:, own], axis=1)
        share = np.where(apart > noise, (apart - noise) / np.maximum(size, 1e-30), 0.0)
        worst = max(worst, float(share.max()))
    return worst


def _by_step(way: Written, data: Data, constants: dict[str, Any], tolerance: float) -> Rule | None:
    """The rule with a learning rate of its own in each step, the other constants being the prior's."""
    if constants.get("momentum"):
        return None  # what is carried on depends on the rates before
    unit = way.predict(data, {**constants, "learning_rate": 1.0})
    weights = 1 / data.noise**2
    rates = (data.changes * unit * weights).sum(axis=1) / (unit**2 * weights).sum(axis=1)
    left = _left(data, rates[:, None] * unit)
    if left > tolerance or (rates <= 0).any():
        return None
    short = [plain(float(rate), 1e-5 * float(rate)) for rate in rates]
    used = {name: value for name, value in constants.items() if value or name in way.defaults}
    return Rule(way.optimizer, {**used, "learning_rate": short}, way.form, left=left)
