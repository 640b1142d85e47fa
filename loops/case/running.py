"""Trains a case by fit() or by its own step, and keeps the state after each step."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from loops.case.loading import Batch, Case, CaseError, Start, batch_spec
from loops.parity.states import Array, Reported, State, VariableName, named, snapshot

# How a step runs: traced with an open batch size as fit() does, traced once a batch size, or not traced
Mode = Literal["dynamic", "static", "eager"]


class GradientRecorder:
    """Keeps the gradients that an optimizer was last given. Does nothing unless `wanted`."""

    def __init__(self, model: tf.keras.Model, optimizer: Any, wanted: bool) -> None:
        self._held: dict[VariableName, tf.Variable] = {}
        if wanted:
            names = {id(variable): name for name, variable in named(model.variables)}
            self._held = {names[id(v)]: tf.Variable(tf.zeros_like(v)) for v in model.trainable_variables}
            apply = optimizer.apply

            def recording(gradients: Any, variables: Any = None) -> Any:
                gradients = list(gradients)
                variables = list(optimizer._trainable_variables if variables is None else variables)
                for gradient, variable in zip(gradients, variables, strict=False):
                    if names.get(id(variable)) in self._held and gradient is not None:
                        self._held[names[id(variable)]].assign(tf.cast(gradient, variable.dtype))
                return apply(gradients, variables)

            optimizer.apply = recording

    def read(self) -> dict[VariableName, Array]:
        """The gradients by variable, named as in a snapshot."""
        return {name: np.array(held.numpy()) for name, held in self._held.items()}


def train_by_fit(
    case: Case, epoch: list[Batch], steps: int, start: Start | None, *, gradients: bool = False
) -> tuple[Start, list[State]]:
    """Train by compile() and fit() on the given batches, epoch after epoch.

    Returns where the training began and the state after each step.
    """
    model, optimizer = case.model(epoch[0], start), case.optimizer()
    begin = Start(tuple(np.array(variable.numpy()) for variable in model.variables))
    case.run(
        "compile()",
        lambda: model.compile(optimizer, loss=case.loss(), metrics=case.metrics(), jit_compile=False),
    )
    recorder = _Recorder(optimizer, steps, GradientRecorder(model, optimizer, gradients))
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


def train_by_step(
    case: Case, epoch: list[Batch], steps: int, start: Start, mode: Mode, *, gradients: bool = False
) -> list[State]:
    """Train by the user's own step on the same batches, and return the state after each step.

    `mode` says how a step runs that is no tf.function.
    """
    model, optimizer = case.model(epoch[0], start), case.optimizer()
    recorded = GradientRecorder(model, optimizer, gradients)

    def step(x: Any, y: Any) -> Any:
        return case.train_step(model, optimizer, x, y)

    run = step if is_graph_function(case.train_step) else traced(step, mode, batch_spec(epoch[0]))
    states = []
    for index in range(steps):
        batch = epoch[index % len(epoch)]
        reported = case.run(f"train_step (step {index + 1})", functools.partial(run, *batch))
        states.append(snapshot(model, optimizer, read_report(reported), recorded.read()))
    if not int(optimizer.iterations):  # the step updates by means of its own: there are no slots to compare
        states = [replace(state, slots={}) for state in states]
    return states


def traced(step: Callable[..., Any], mode: Mode, spec: Sequence[Any]) -> Callable[..., Any]:
    """The step as it runs in `mode`; `spec` holds the specs of its arguments, with an open batch size."""
    if mode == "dynamic":
        return tf.function(step, input_signature=spec)
    return tf.function(step) if mode == "static" else step


def is_graph_function(function: Any) -> bool:
    """Whether the function is a tf.function already."""
    return isinstance(function, tf.types.experimental.PolymorphicFunction)


def read_report(reported: Any) -> Reported:
    """The numbers that a step returned: a dict's values by their names, a scalar as the loss, else none."""
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
    """Refuse weights that are no numbers, since they cannot be compared.

    Raises:
        CaseError: a weight is NaN or infinite.
    """
    for step, state in enumerate(states, start=1):
        bad = [name for name, array in state.weights.items() if not np.isfinite(array).all()]
        if bad:
            raise CaseError(
                f"{path}: {who} gives NaN or Inf in {bad[0].path} at step {step}. "
                "Lower the learning rate or look for a log or a division by zero."
            )


class _Recorder(tf.keras.callbacks.Callback):
    """Takes a snapshot after each of fit()'s first steps, then stops the training."""

    def __init__(self, optimizer: Any, steps: int, gradients: GradientRecorder) -> None:
        super().__init__()
        self.states: list[State] = []
        self._optimizer, self._steps, self._gradients = optimizer, steps, gradients

    def on_train_batch_end(self, batch: int, logs: Reported | None = None) -> None:
        if len(self.states) < self._steps:
            state = snapshot(self.model, self._optimizer, dict(logs or {}), self._gradients.read())
            self.states.append(state)
        if len(self.states) == self._steps:
            self.model.stop_training = True


def _stream(epoch: list[Batch]) -> tf.data.Dataset:
    """The batches over and over, with an open batch size as in a dataset that was batched."""

    def endless() -> Iterator[Batch]:
        while True:
            yield from epoch

    return tf.data.Dataset.from_generator(endless, output_signature=batch_spec(epoch[0]))
