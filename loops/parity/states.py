"""The whole state after a step, as arrays: what two trainings are compared by."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from loops.history import Keeper, Live, Position

Array = npt.NDArray[Any]
Reported = Mapping[str, float]


@dataclass(frozen=True)
class State:
    """What one step left, arrays by variable name.

    `reported` is what the step said of itself (loss, metrics); `random` the states of the
    model's own random number generators; `gradients` is empty where none were recorded, and so is
    `metrics`, the totals and counts behind the running loss and accuracy.
    """

    weights: Mapping[str, Array]
    random: Mapping[str, Array]
    slots: Mapping[str, Array]
    reported: Reported
    gradients: Mapping[str, Array] = field(default_factory=dict)
    metrics: Mapping[str, Array] = field(default_factory=dict)


class Follower(Keeper):
    """Takes a snapshot after each step."""

    def __init__(self) -> None:
        self.states: list[State] = []

    def begin(self, live: Live) -> None:
        """Remember the variables."""
        self._live = live

    def next_stop(self, step: int) -> int:
        """Every step."""
        return step + 1

    def keep(self, position: Position) -> None:
        """Take a snapshot; after an epoch's last step the metrics are those of validation."""
        live = self._live
        self.states.append(snapshot(live.model, live.optimizer, {}, metrics=live.metrics))


def snapshot(
    model: Any,
    optimizer: Any,
    reported: Reported,
    gradients: Mapping[str, Array] | None = None,
    metrics: Sequence[Any] = (),
) -> State:
    """The state as NumPy arrays, variables numbered in their order so that names cannot clash."""
    weights = {id(weight) for weight in model.weights}
    named = [(f"{index} {local_path(variable)}", variable) for index, variable in enumerate(model.variables)]
    return State(
        weights={name: _array(v) for name, v in named if id(v) in weights},
        random={name: _array(v) for name, v in named if id(v) not in weights},
        slots={f"{i} {local_path(v)}": _array(v) for i, v in enumerate(optimizer.variables)},
        reported=reported,
        gradients=gradients or {},
        metrics={f"metric {i}": _array(v) for i, v in enumerate(metrics)},
    )


def local_path(variable: Any) -> str:
    """A variable's path without the numbers that Keras counts up: dense_3/kernel → dense/kernel."""
    return re.sub(r"_\d+(?=[/_]|$)", "", str(getattr(variable, "path", variable.name)))


def _array(variable: Any) -> Array:
    return np.array(variable.numpy())
