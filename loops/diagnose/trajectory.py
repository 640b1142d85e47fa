"""A training step by step: the state after each one, and where two such records part."""

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from loops.diagnose.case import Batch, Case, CaseError, Start, batch_spec
from loops.parity import Array, Difference, differences

Reported = Mapping[str, float]


@dataclass(frozen=True)
class State:
    """What a step left: model variables, optimizer variables, and what the step reported."""

    weights: Mapping[str, Array]
    random: Mapping[str, Array]  # the states of the model's own random number generators
    slots: Mapping[str, Array]
    reported: Reported


@dataclass(frozen=True)
class Divergence:
    """The first step (from 1) at which two trainings differ, and in what."""

    step: int
    kind: str  # "weights", "optimizer slots" or "random state"
    found: tuple[Difference, ...]

    @property
    def worst(self) -> Difference:
        """The variable that is furthest off, by relative difference."""
        return max(self.found, key=lambda difference: (difference.relative, difference.ulps))


def snapshot(model: tf.keras.Model, optimizer: Any, reported: Reported) -> State:
    """The state as NumPy arrays, variables numbered in their order so that names cannot clash."""
    weights = {id(weight) for weight in model.weights}
    named = [(f"{index} {local_path(variable)}", variable) for index, variable in enumerate(model.variables)]
    return State(
        weights={name: np.array(v.numpy()) for name, v in named if id(v) in weights},
        random={name: np.array(v.numpy()) for name, v in named if id(v) not in weights},
        slots={f"{i} {local_path(v)}": np.array(v.numpy()) for i, v in enumerate(optimizer.variables)},
        reported=reported,
    )


def local_path(variable: Any) -> str:
    """A variable's path without the numbers that Keras counts up: dense_3/kernel → dense/kernel."""
    return re.sub(r"_\d+(?=[/_]|$)", "", str(variable.path))


def first_divergence(reference: Sequence[State], other: Sequence[State]) -> Divergence | None:
    """Where `other` first departs from `reference`: weights before slots before random state."""
    for step, (a, b) in enumerate(zip(reference, other, strict=True), start=1):
        for kind in ("weights", "slots", "random"):
            one, two = getattr(a, kind), getattr(b, kind)
            if kind == "slots" and _layout(one) != _layout(two):
                continue  # the step uses an optimizer of its own
            found = differences(one, two)
            if found:
                kinds = {"weights": "weights", "slots": "optimizer slots", "random": "random state"}
                return Divergence(step, kinds[kind], tuple(found))
    return None


def _layout(arrays: Mapping[str, Array]) -> list[tuple[Any, ...]]:
    return [(array.shape, array.dtype) for array in arrays.values()]


def distance(a: State, b: State) -> float:
    """Euclidean distance of all weights."""
    gaps = [a.weights[name].astype(np.float64) - b.weights[name].astype(np.float64) for name in a.weights]
    return float(np.sqrt(sum(np.sum(np.square(gap)) for gap in gaps)))


def train_by_fit(
    case: Case, epoch: list[Batch], steps: int, start: Start | None
) -> tuple[Start, list[State]]:
    """compile() and fit() on the given batches, epoch after epoch; the state after each step."""
    model, optimizer = case.model(epoch[0], start), case.optimizer()
    begin = Start(tuple(np.array(variable.numpy()) for variable in model.variables))
    case.run(
        "compile()",
        lambda: model.compile(optimizer, loss=case.loss(), metrics=case.metrics(), jit_compile=False),
    )
    recorder = _Recorder(optimizer, steps)
    case.run(
        "fit()",
        lambda: model.fit(
            _stream(epoch),
            epochs=-(-steps // len(epoch)),
            steps_per_epoch=len(epoch),
            callbacks=[recorder],
            shuffle=False,
            verbose=0,
        ),
    )
    return begin, recorder.states


def train_by_step(case: Case, epoch: list[Batch], steps: int, start: Start, mode: str) -> list[State]:
    """The user's own step on the same batches; the state after each step.

    `mode` says how a step that is no tf.function runs: see `traced`.
    """
    model, optimizer = case.model(epoch[0], start), case.optimizer()

    def step(x: Any, y: Any) -> Any:
        return case.train_step(model, optimizer, x, y)

    run = step if is_graph_function(case.train_step) else traced(step, mode, batch_spec(epoch[0]))
    states = []
    for index in range(steps):
        batch = epoch[index % len(epoch)]
        reported = case.run(f"train_step (step {index + 1})", functools.partial(run, *batch))
        states.append(snapshot(model, optimizer, read_report(reported)))
    return states


def traced(step: Callable[..., Any], mode: str, signature: Sequence[Any]) -> Callable[..., Any]:
    """The step as a graph with open batch dimensions, as one for each batch size, or as it stands."""
    if mode == "dynamic":
        return tf.function(step, input_signature=signature)
    return tf.function(step) if mode == "static" else step


def is_graph_function(function: Any) -> bool:
    """Whether the user has made it a tf.function already."""
    return isinstance(function, tf.types.experimental.PolymorphicFunction)


def read_report(reported: Any) -> Reported:
    """What a step returned, as numbers: a dict by its names, a scalar as the loss, else nothing."""
    named = reported if isinstance(reported, Mapping) else {"loss": reported}
    found = {}
    for name, value in named.items():
        try:
            array = np.asarray(value, dtype=np.float32)
        except (TypeError, ValueError):
            continue
        if value is not None and array.size == 1:
            found[str(name)] = float(array.reshape(()))
    return found


def check_finite(path: Any, who: str, states: list[State]) -> None:
    """Refuse to compare what is not a number.

    Raises:
        CaseError: a weight is NaN or infinite.
    """
    for step, state in enumerate(states, start=1):
        bad = [name for name, array in state.weights.items() if not np.isfinite(array).all()]
        if bad:
            raise CaseError(
                f"{path}: {who} gives NaN or Inf in {bad[0].partition(' ')[2]} at step {step}. "
                "Lower the learning rate or look for a log or a division by zero."
            )


class _Recorder(tf.keras.callbacks.Callback):
    """Takes a snapshot after each of fit()'s first steps, then stops it."""

    def __init__(self, optimizer: Any, steps: int) -> None:
        super().__init__()
        self.states: list[State] = []
        self._optimizer, self._steps = optimizer, steps

    def on_train_batch_end(self, batch: int, logs: Reported | None = None) -> None:
        if len(self.states) < self._steps:
            self.states.append(snapshot(self.model, self._optimizer, dict(logs or {})))
        if len(self.states) == self._steps:
            self.model.stop_training = True


def _stream(epoch: list[Batch]) -> tf.data.Dataset:
    """The batches over and over, their first dimension open as in a dataset that was batched."""

    def endless() -> Iterator[Batch]:
        while True:
            yield from epoch

    return tf.data.Dataset.from_generator(endless, output_signature=batch_spec(epoch[0]))
