"""Trains a case by fit() or by its own step, and keeps the state after each step and at the end."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from loops.case.batches import Batch, batch_spec
from loops.case.errors import CaseError
from loops.case.loading import Case, Start, layout
from loops.case.observing import Event, Observer
from loops.parity.states import Reported, State, snapshot

# How a step runs: traced with an open batch size as fit() does, traced once a batch size, or not traced
Mode = Literal["dynamic", "static", "eager"]
# Makes the train_step that a compiled model trains by in place of its own
MakeStep = Callable[[tf.keras.Model], Callable[[Any], Any]]


@dataclass(frozen=True)
class Course:
    """One training of a case: the state after each step, and the state after all that comes at the end.

    Where the training was watched, `events` holds what happened in each step, `optimizers` those that
    updated in it.
    """

    states: list[State]
    end: State
    events: tuple[Sequence[Event], ...] = ()
    optimizers: tuple[Any, ...] = ()


@dataclass(frozen=True)
class FitOptions:
    """How fit() runs a case; the defaults are as the case says.

    `mode` is fit()'s own way to trace unless given. `make_step` replaces the model's train_step after
    compile(). `compile_args` and `fit_args` replace single arguments; `watch` keeps
    what happens within each step, `seeds` seeds TensorFlow's generator before each; `stop_after` looks at
    each step's number (from 1) and state, and ends the training where it says so.
    """

    mode: Mode | None = None
    make_step: MakeStep | None = None
    compile_args: Mapping[str, Any] = field(default_factory=dict)
    fit_args: Mapping[str, Any] = field(default_factory=dict)
    data: Callable[[Batch], Batch] | None = None
    optimizer: Callable[[Any], Any] | None = None
    watch: bool = False
    seeds: int | None = None
    stop_after: Callable[[int, State], bool] | None = None


AS_IS = FitOptions()


def own_mode(case: Case) -> Mode:
    """How the case's own fit() traces."""
    return "eager" if case.compile_args.get("run_eagerly") else "dynamic"


def start_of(case: Case, example: Batch) -> Start:
    """The values of all variables where each training of the case begins."""
    model = case.model(example)
    return Start(tuple(np.array(variable.numpy()) for variable in model.variables), layout(model))


def train_by_fit(
    case: Case, epoch: list[Batch], steps: int, start: Start, options: FitOptions = AS_IS
) -> Course:
    """Train by compile() and fit() on the given batches, epoch after epoch.

    Raises:
        CaseError: the case's own functions, compile() or fit() raise.
    """
    model, optimizer = case.model(epoch[0], start), case.optimizer()
    if options.optimizer:
        optimizer = options.optimizer(optimizer)
    compiled = {"jit_compile": False, **case.compile_args, **options.compile_args}
    compiled.pop("steps_per_execution", None)  # its callbacks would see only every N-th step
    mode = options.mode or own_mode(case)
    compiled["run_eagerly"] = mode != "dynamic"
    if mode != "dynamic":
        compiled["jit_compile"] = False
    case.run(
        "compile()",
        lambda: model.compile(optimizer, loss=case.loss(), metrics=case.metrics(), **compiled),
    )
    if options.make_step:
        model.train_step = options.make_step(model)
    if mode == "static":
        model.train_step = tf.function(model.train_step)  # eager around it: a trace for each batch size
    batches = [options.data(batch) if options.data else batch for batch in epoch]
    with _watched(model, options.watch) as observer:
        recorder = _Recorder(optimizer, steps, observer, options)
        _fit(case, model, batches, recorder, options)
    seen = observer.optimizers if observer else []
    return Course(recorder.states, snapshot(model, optimizer, {}), tuple(recorder.events), tuple(seen))


def _watched(model: tf.keras.Model, watch: bool) -> contextlib.AbstractContextManager[Observer | None]:
    return Observer(model) if watch else contextlib.nullcontext()


def _fit(
    case: Case, model: tf.keras.Model, epoch: list[Batch], recorder: "_Recorder", options: FitOptions
) -> None:
    given = {**case.fit_args, **options.fit_args}
    first = given.pop("initial_epoch", None) or 0
    callbacks = [*(given.pop("callbacks", None) or []), recorder]
    case.run(
        "fit()",
        lambda: model.fit(
            _stream(epoch),
            initial_epoch=first,
            epochs=first - (-recorder.steps // len(epoch)),
            steps_per_epoch=len(epoch),
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
            **given,
        ),
    )


def train_by_step(
    case: Case, epoch: list[Batch], steps: int, start: Start, *, watch: bool = False, seeds: int | None = None
) -> Course:
    """Train by the user's own step on the same batches, as it stands.

    With `seeds`, it runs eagerly, and TensorFlow's global generator is seeded before each step by `seeds`
    plus the step's index.

    Raises:
        CaseError: the case's own functions raise.
    """
    model, optimizer = case.model(epoch[0], start), case.optimizer()
    first = case.fit_args.get("initial_epoch") or 0
    states: list[State] = []
    events: list[Sequence[Event]] = []
    eagerly = _eagerly() if seeds is not None else contextlib.nullcontext()
    with eagerly, _watched(model, watch) as observer:
        for index in range(steps):
            number, within = divmod(index, len(epoch))
            if within == 0:
                case.on_epoch_begin(model, optimizer, first + number)
            if seeds is not None:
                tf.random.set_seed(seeds + index)
            call = functools.partial(case.step, model, optimizer, *epoch[within].data())
            reported = case.run(f"train_step (step {index + 1})", call)
            states.append(snapshot(model, optimizer, read_report(reported)))
            events += [observer.take()] if observer else []
            if within + 1 == len(epoch) or index + 1 == steps:
                case.on_epoch_end(model, optimizer, first + number)
    case.on_train_end(model, optimizer)
    end = snapshot(model, optimizer, {})
    if not int(optimizer.iterations.numpy()):  # the step updates by means of its own: there are no slots
        states, end = [replace(state, slots={}) for state in states], replace(end, slots={})
    return Course(states, end, tuple(events), tuple(observer.optimizers) if observer else ())


@contextlib.contextmanager
def _eagerly() -> Iterator[None]:
    """A context in which tf.function runs what it is given eagerly."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


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


def check_finite(path: Any, who: str, states: Sequence[State]) -> None:
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

    def __init__(self, optimizer: Any, steps: int, observer: Observer | None, options: FitOptions) -> None:
        super().__init__()
        self.steps = steps
        self.states: list[State] = []
        self.events: list[Sequence[Event]] = []
        self._optimizer, self._observer, self._stop_after = optimizer, observer, options.stop_after
        self._seeds = options.seeds
        self._stopped = False

    def on_train_batch_begin(self, batch: int, logs: Reported | None = None) -> None:
        if self._seeds is not None:
            tf.random.set_seed(self._seeds + len(self.states))

    def on_train_batch_end(self, batch: int, logs: Reported | None = None) -> None:
        if len(self.states) < self.steps and not self._stopped:
            state = snapshot(self.model, self._optimizer, dict(logs or {}))
            self.states.append(state)
            self.events += [self._observer.take()] if self._observer else []
            self._stopped = bool(self._stop_after and self._stop_after(len(self.states), state))
        if len(self.states) == self.steps or self._stopped:
            self.model.stop_training = True


def _stream(epoch: Sequence[Batch]) -> tf.data.Dataset:
    """The batches over and over, with an open batch size as in a dataset that was batched."""

    def endless() -> Iterator[Any]:
        while True:
            yield from (batch.data() for batch in epoch)

    return tf.data.Dataset.from_generator(endless, output_signature=batch_spec(epoch))
