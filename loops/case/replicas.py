"""A case whose step runs on several replicas (tf.distribute): only the user's own run has them.

fit() on one device is the reference, because replicas are meant to change nothing. In its trainings the
strategies of the case are TensorFlow's default one, so that models and optimizers are plain.
"""

import contextlib
import re
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

STRATEGIES = ("MirroredStrategy", "MultiWorkerMirroredStrategy", "OneDeviceStrategy")
MOST = 16
_PLAIN = ContextVar("plain", default=False)


def logical_cpus(path: Path) -> int:
    """How many CPUs the file names as devices, "CPU:1" say; 1 where it names none beyond the first."""
    text = path.read_text(encoding="utf-8", errors="replace")
    numbers = [int(number) for number in re.findall(r"CPU:(\d{1,2})\b", text)]
    return min(max(numbers, default=0) + 1, MOST)


@contextlib.contextmanager
def _set_plain(value: bool) -> Iterator[None]:
    token = _PLAIN.set(value)
    try:
        yield
    finally:
        _PLAIN.reset(token)


def compared() -> contextlib.AbstractContextManager[None]:
    """A context in which cases are trained without their strategies, but for what `real` encloses."""
    return _set_plain(True)


def real() -> contextlib.AbstractContextManager[None]:
    """A context for the user's own run."""
    return _set_plain(False)


def is_plain() -> bool:
    """Whether a case that is executed now goes without its strategies."""
    return _PLAIN.get()


@contextlib.contextmanager
def strategies(*, plain: bool) -> Iterator[None]:
    """A context for code of a case: its strategies, and the logical devices, which exist already."""
    import tensorflow as tf

    replaced: list[tuple[Any, str, Any]] = [(tf.config, "set_logical_device_configuration", _nothing)]
    if plain:
        replaced += [(tf.distribute, name, _Default) for name in STRATEGIES]
    before = [(place, name, getattr(place, name)) for place, name, _ in replaced]
    for place, name, value in replaced:
        setattr(place, name, value)
    try:
        yield
    finally:
        for place, name, value in before:
            setattr(place, name, value)


def replicas_of(module: Any) -> int:
    """How many replicas the strategies of a file's top level have at most."""
    import tensorflow as tf

    held = [value for value in vars(module).values() if isinstance(value, tf.distribute.Strategy)]
    return max((strategy.num_replicas_in_sync for strategy in held), default=1)


def _nothing(*_: Any, **__: Any) -> None:
    """The devices were made when TensorFlow started."""


class _Default:
    """In place of a strategy's class, for which Keras asks too."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        """TensorFlow's default strategy: one replica, plain variables."""
        import tensorflow as tf

        return tf.distribute.get_strategy()
