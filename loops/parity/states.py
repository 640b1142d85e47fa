"""What two trainings are compared by: the whole state after a step, as arrays."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from loops.history import Hooks, Live, Position
from loops.parity.slots import in_order

Array = npt.NDArray[Any]
Reported = Mapping[str, float]


@dataclass(frozen=True, order=True)
class VariableName:
    """A variable's index in its list and its path. The index keeps variables of one path apart."""

    index: int
    path: str

    def __str__(self) -> str:
        return f"{self.index} {self.path}"


Arrays = Mapping[VariableName, Array]


@dataclass(frozen=True)
class State:
    """What a training holds after one step.

    `weights` and `random` (the states of the model's random number generators) are indexed as in
    model.variables, `gradients` as well. `slots` are the optimizer's variables. `metrics` are the totals
    and counts behind the running loss and accuracy. `reported` is what the step itself returned
    (loss, metrics). `gradients` and `metrics` are empty where they were not recorded.
    """

    weights: Arrays
    random: Arrays
    slots: Arrays
    reported: Reported
    gradients: Arrays = field(default_factory=dict)
    metrics: Arrays = field(default_factory=dict)


class Follower:
    """Takes a snapshot after each step."""

    def __init__(self) -> None:
        self.states: list[State] = []
        self._live: Live | None = None  # until the loop begins

    @property
    def hooks(self) -> Hooks:
        """What a loop calls."""
        return Hooks(begin=self._begin, next_stop=lambda step: step + 1, keep=self._keep)

    def _begin(self, live: Live) -> None:
        self._live = live

    def _keep(self, position: Position) -> None:
        """After an epoch's last step the metrics are those of validation."""
        live = self._live
        assert live
        self.states.append(snapshot(live.model, live.optimizer, {}, metrics=live.metrics))


def snapshot(
    model: Any,
    optimizer: Any,
    reported: Reported,
    gradients: Arrays | None = None,
    metrics: Sequence[Any] = (),
) -> State:
    """Copy the variables of a model, its optimizer and its metrics into NumPy arrays."""
    weights = {id(weight) for weight in model.weights}
    variables = list(named(model.variables))
    return State(
        weights={name: _array(v) for name, v in variables if id(v) in weights},
        random={name: _array(v) for name, v in variables if id(v) not in weights},
        slots={name: _array(v) for name, v in named(in_order(optimizer, list(model.variables)))},
        reported=reported,
        gradients=gradients or {},
        # every loop names the metrics' variables in its own way
        metrics={VariableName(index, "metric"): _array(v) for index, v in enumerate(metrics)},
    )


def named(variables: Iterable[Any]) -> Iterator[tuple[VariableName, Any]]:
    """Each variable with its name."""
    for index, variable in enumerate(variables):
        yield VariableName(index, local_path(variable)), variable


def local_path(variable: Any) -> str:
    """A variable's path without the numbers that Keras adds: dense_3/kernel becomes dense/kernel."""
    return re.sub(r"_\d+(?=[/_]|$)", "", str(getattr(variable, "path", variable.name)))


def _array(variable: Any) -> Array:
    return np.array(variable.numpy())
