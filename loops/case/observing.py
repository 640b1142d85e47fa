"""Watches a training step from inside: the model's calls, the tapes' gradients, what optimizers are given."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import tensorflow as tf

from loops.parity.states import Array

# The class whose apply() every Keras optimizer ends in
OPTIMIZER: Any = next(each for each in tf.keras.optimizers.Optimizer.__mro__ if "apply" in vars(each))
MOST_BYTES = 1 << 30  # of arrays that are kept; later events are kept without theirs
ByIndex = Mapping[int, Array]  # by index into model.variables


@dataclass(frozen=True, eq=False)
class Passed:
    """One call of the model, or of one of its layers that behaves otherwise in training.

    `layer` is the index in model._flatten_layers(), where 0 is the model itself; arrays are kept of it alone.
    """

    layer: int
    training: bool | None
    inputs: tuple[Array, ...] = ()
    outputs: tuple[Array, ...] = ()


@dataclass(frozen=True, eq=False)
class Taken:
    """What a gradient tape gave: the value that was differentiated, and the gradients by variable.

    `lengths` are the gradients' norms as TensorFlow's clipping takes them: of a sparse gradient, whose rows
    may repeat, over its values as they stand.
    """

    loss: float
    gradients: ByIndex
    lengths: Mapping[int, float]


@dataclass(frozen=True, eq=False)
class Applied:
    """What an optimizer was given in one update: its number in order of appearance, rate and gradients."""

    optimizer: int
    rate: float
    iterations: int
    gradients: ByIndex
    lengths: Mapping[int, float]
    sparse: frozenset[int] = frozenset()  # variables whose gradients came as rows (IndexedSlices)


Event = Passed | Taken | Applied


@dataclass
class Observer:
    """Keeps the events of a model's training in the order in which they happen. A context.

    The events are those of every Keras optimizer and every tape, also of those that a step makes itself.
    TensorFlow fuses fewer operations where it is watched: a run that is observed is within rounding of the
    plain one.
    """

    model: tf.keras.Model
    events: list[Event] = field(default_factory=list)
    optimizers: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._places: dict[int, int] = {}
        for index, variable in enumerate(self.model.variables):
            self._places[id(variable)] = self._places[id(variable.value)] = index
        self._kept = 0

    def __enter__(self) -> Self:
        self._undo = contextlib.ExitStack()
        self._undo.enter_context(replaced(OPTIMIZER, "apply", self._applying))
        self._undo.enter_context(replaced(tf.GradientTape, "gradient", self._differentiating))
        for index, layer in enumerate(self.model._flatten_layers()):  # nested ones have no public list
            if index == 0 or _is_otherwise_in_training(layer):
                self._undo.enter_context(_wrapped(layer, "call", functools.partial(self._calling, index)))
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def take(self) -> list[Event]:
        """The events since the last call of this."""
        found, self.events = self.events, []
        return found

    def _calling(self, index: int, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        outputs = call(*args, **kwargs)
        training = _as_flag(kwargs.get("training", args[1] if len(args) > 1 else None))
        inputs = args[0] if args else kwargs.get("inputs")
        tensors = [_tensors_of(inputs), _tensors_of(outputs)] if index == 0 else [[], []]
        if not any(isinstance(each, tf.keras.KerasTensor) for each in tf.nest.flatten([inputs, outputs])):
            counts = [len(each) for each in tensors]

            def keep(*arrays: Array) -> None:
                kept = self._fit(arrays)
                self.events.append(
                    Passed(index, training, tuple(kept[: counts[0]]), tuple(kept[counts[0] :]))
                )

            _run(keep, [*tensors[0], *tensors[1]])
        return outputs

    def _differentiating(
        self, gradient: Callable[..., Any], tape: Any, target: Any, sources: Any, **rest: Any
    ) -> Any:
        found = gradient(tape, target, sources, **rest)
        pairs = list(zip(tf.nest.flatten(sources), _flat(found), strict=False))
        losses = [tf.reduce_sum(tf.cast(each, tf.float32)) for each in tf.nest.flatten(target)]

        def keep(loss: Array, gradients: ByIndex, lengths: Mapping[int, float]) -> None:
            self.events.append(Taken(float(loss), gradients, lengths))

        self._keep_gradients(pairs, [tf.add_n(losses)], keep)
        return found

    def _applying(
        self, apply: Callable[..., Any], optimizer: Any, grads: Any, variables: Any = None, **rest: Any
    ) -> Any:
        grads, variables = list(grads), rest.pop("trainable_variables", variables)
        given = optimizer._trainable_variables if variables is None else list(variables)
        number = next(
            (i for i, each in enumerate(self.optimizers) if each is optimizer), len(self.optimizers)
        )
        if number == len(self.optimizers):
            self.optimizers.append(optimizer)

        pairs = list(zip(given, grads, strict=False))
        sparse = frozenset(
            self._places[id(v)] for v, g in pairs if id(v) in self._places and isinstance(g, tf.IndexedSlices)
        )

        def keep(rate: Array, iterations: Array, gradients: ByIndex, lengths: Mapping[int, float]) -> None:
            self.events.append(Applied(number, float(rate), int(iterations), gradients, lengths, sparse))

        head = [tf.convert_to_tensor(optimizer.learning_rate), tf.convert_to_tensor(optimizer.iterations)]
        self._keep_gradients(pairs, head, keep)
        return apply(optimizer, grads, variables if variables is None else given)

    def _keep_gradients(
        self, pairs: Sequence[tuple[Any, Any]], head: list[Any], keep: Callable[..., None]
    ) -> None:
        known = [(self._places[id(v)], g) for v, g in pairs if id(v) in self._places and g is not None]
        dense = [tf.cast(tf.convert_to_tensor(gradient), tf.float32) for _, gradient in known]
        lengths = [
            tf.norm(tf.cast(getattr(gradient, "values", gradient), tf.float32)) for _, gradient in known
        ]
        count = len(known)

        def arrived(*arrays: Array) -> None:
            first, rest = arrays[: len(head)], arrays[len(head) :]
            gradients = {
                place: array for (place, _), array in zip(known, self._fit(rest[:count]), strict=False)
            }
            norms = {place: float(value) for (place, _), value in zip(known, rest[count:], strict=True)}
            keep(*first, gradients, norms)

        _run(arrived, [*head, *dense, *lengths])

    def _fit(self, arrays: Sequence[Array]) -> list[Array]:
        """Copies of the arrays; none once those that are kept have become too many."""
        self._kept += sum(array.nbytes for array in arrays)
        return [np.array(array) for array in arrays] if self._kept < MOST_BYTES else []


def _is_otherwise_in_training(layer: Any) -> bool:
    """Whether the layer's training flag matters: it draws numbers or keeps averages, or is not Keras's.

    A frozen BatchNormalization is in inference mode whatever its flag says; Dense takes a flag for nothing.
    """
    if not layer._call_has_training_arg or list(layer._flatten_layers())[1:]:
        return False
    if hasattr(layer, "moving_mean") and not layer.trainable:
        return False
    return not type(layer).__module__.startswith("keras.") or bool(layer.non_trainable_variables)


@contextlib.contextmanager
def replaced(owner: Any, name: str, by: Callable[..., Any]) -> Iterator[None]:
    """A method of a class replaced by `by(method, self, …)`."""
    own = vars(owner)[name]

    @functools.wraps(own)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return by(own, self, *args, **kwargs)

    setattr(owner, name, method)
    try:
        yield
    finally:
        setattr(owner, name, own)


@contextlib.contextmanager
def _wrapped(layer: Any, name: str, by: Callable[..., Any]) -> Iterator[None]:
    """A method of one object replaced by `by(method, …)`."""
    own = getattr(layer, name)
    object.__setattr__(layer, name, functools.wraps(own)(functools.partial(by, own)))
    try:
        yield
    finally:
        object.__delattr__(layer, name)


@contextlib.contextmanager
def without_xla() -> Iterator[None]:
    """A context in which tf.function ignores jit_compile: a compiled step cannot be watched."""
    own = tf.function

    @functools.wraps(own)
    def function(*args: Any, **kwargs: Any) -> Any:
        kwargs.pop("jit_compile", None)
        return own(*args, **kwargs)

    tf.function = function
    try:
        yield
    finally:
        tf.function = own


def _run(keep: Callable[..., None], tensors: list[Any]) -> None:
    """Call `keep` with the tensors' values when they have them: now, or each time that the graph runs."""
    if tf.executing_eagerly():
        keep(*(tensor.numpy() for tensor in tensors))
    else:
        tf.numpy_function(keep, tensors, [])


def _flat(gradients: Any) -> list[Any]:
    """A nest of gradients as a list, sparse ones whole."""
    if isinstance(gradients, tf.IndexedSlices) or gradients is None or tf.is_tensor(gradients):
        return [gradients]
    parts = gradients.values() if isinstance(gradients, dict) else gradients
    return [each for part in parts for each in _flat(part)]


def _tensors_of(nest: Any) -> list[Any]:
    found = [each for each in tf.nest.flatten(nest) if tf.is_tensor(each) or isinstance(each, np.ndarray)]
    return [tf.convert_to_tensor(each) for each in found]


def _as_flag(training: Any) -> bool | None:
    return bool(training) if isinstance(training, bool | int | np.bool_) else None
