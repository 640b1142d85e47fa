"""A case trained by fit() or by its own step, with the state after each step."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from loops.case.loading import Batch, Case, CaseError, Start, batch_spec
from loops.parity.states import Array, Reported, State, local_path, snapshot


class GradientRecorder:
    """Keeps the gradients that an optimizer was last given; does nothing unless `wanted`."""

    def __init__(self, model: tf.keras.Model, optimizer: Any, wanted: bool) -> None:
        self._held: dict[str, tf.Variable] = {}
        if wanted:
            numbered = enumerate(model.variables)
            names = {id(variable): f"{index} {local_path(variable)}" for index, variable in numbered}
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

    def read(self) -> dict[str, Array]:
        """The gradients by variable, numbered as in a snapshot."""
        return {name: np.array(held.numpy()) for name, held in self._held.items()}


def train_by_fit(
    case: Case, epoch: list[Batch], steps: int, start: Start | None, *, gradients: bool = False
) -> tuple[Start, list[State]]:
    """compile() and fit() on the given batches, epoch after epoch; the state after each step."""
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
    case: Case, epoch: list[Batch], steps: int, start: Start, mode: str, *, gradients: bool = False
) -> list[State]:
    """The user's own step on the same batches; the state after each step.

    `mode` says how a step that is no tf.function runs: see `traced`.
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
    """The batches over and over, their first dimension open as in a dataset that was batched."""

    def endless() -> Iterator[Batch]:
        while True:
            yield from epoch

    return tf.data.Dataset.from_generator(endless, output_signature=batch_spec(epoch[0]))
