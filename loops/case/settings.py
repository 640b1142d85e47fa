"""What is wrong with the values that a case gives, each said in one sentence."""

from collections.abc import Iterable, Iterator, Mapping
from numbers import Integral, Real
from types import ModuleType
from typing import Any

import tensorflow as tf

from loops.case.names import COMPILE_ARGS, FIT_ARGS, unknown

LARGEST_SEED = 2**32 - 1
FUNCTIONS = ("train_step", "on_epoch_begin", "on_epoch_end", "on_train_end")


def problems(given: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong, by the names of the format; nothing where all is right."""
    for name, value in given.items():
        if isinstance(value, ModuleType):
            yield f"{name} is a module, {value.__name__}. Import it by another name: {name} is a setting."
    for name in FUNCTIONS:
        if given.get(name) is not None and not callable(given[name]):
            yield f"{name} is not a function but {_kind(given[name])}."
    yield from _of_seed(given.get("seed", 0))
    yield from _of_loss_and_metrics(given)
    if not callable(given["batches"]) and not isinstance(given["batches"], Iterable):
        yield f"batches is {_kind(given['batches'])}; it must be a function, or an iterable as a Dataset is."
    for name, known in (("compile_args", COMPILE_ARGS), ("fit_args", FIT_ARGS)):
        arguments = given.get(name, {})
        if not isinstance(arguments, dict):
            yield f"{name} is {_kind(arguments)}; it must be a dict with any of {', '.join(known)}."
            continue
        yield from (f"{name}: {unknown(str(key), known)}" for key in arguments if key not in known)
        for key, value in arguments.items():
            wanted, right = _WANTED.get(key, ("", _anything))
            if not right(value):
                yield f'{name}["{key}"] is {value!r}; it must be {wanted}.'


def _of_seed(seed: Any) -> Iterator[str]:
    if not (_is_whole(seed) and 0 <= seed <= LARGEST_SEED):
        yield f"seed is {seed!r}; it must be a whole number from 0 to {LARGEST_SEED}."


def _of_loss_and_metrics(given: Mapping[str, Any]) -> Iterator[str]:
    loss, metrics = given.get("loss"), given.get("metrics")
    if not (loss is None or callable(loss) or isinstance(loss, str | list | tuple | dict)):
        yield f"loss is {_kind(loss)}; compile() takes a name, a Keras loss, a list or a dict."
    if not (metrics is None or isinstance(metrics, list | tuple | dict)):
        yield f"metrics is {_kind(metrics)}; it must be a list or a dict, as compile() takes it."


def _kind(value: Any) -> str:
    return f"{value!r} ({type(value).__name__})" if isinstance(value, str | int) else type(value).__name__


def _anything(value: Any) -> bool:
    return True


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _are_loss_weights(value: Any) -> bool:
    return value is None or _is_number(value) or all(map(_is_number, tf.nest.flatten(value)))


def _are_callbacks(value: Any) -> bool:
    callbacks = value if isinstance(value, list | tuple) else [value]
    return value is None or all(isinstance(each, tf.keras.callbacks.Callback) for each in callbacks)


def _are_class_weights(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict)
        and all(_is_whole(label) and _is_number(weight) for label, weight in value.items())
    )


_WANTED = {
    "loss_weights": ("a number for each output, in a list or a dict", _are_loss_weights),
    "weighted_metrics": (
        "a list or a dict of metrics",
        lambda value: value is None or isinstance(value, list | tuple | dict),
    ),
    "auto_scale_loss": ("True or False", _is_flag),
    "steps_per_execution": ("a whole number from 1 on", lambda value: _is_whole(value) and value > 0),
    "run_eagerly": ("True or False", _is_flag),
    "jit_compile": ('True, False or "auto"', lambda value: _is_flag(value) or value == "auto"),
    "class_weight": ("a dict from each label to its weight, {0: 1.0, 1: 9.0} say", _are_class_weights),
    "callbacks": ("a list of Keras callbacks", _are_callbacks),
    "initial_epoch": ("a whole number from 0 on", lambda value: _is_whole(value) and value >= 0),
}
