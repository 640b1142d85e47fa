"""A worker's part of a run that another one keeps: it trains with the others and writes nothing."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import tensorflow as tf

from loops.distribute.cluster import ClusterError
from loops.distribute.workers import Workers
from loops.errors import NotFiniteError, Stopped
from loops.history import EpochRecord, Hooks, Live, Position
from loops.run.context import Training
from loops.run.experiment import loop_of
from loops.run.failures import TrainingError
from loops.run.signals import StopRequest
from model import new_model


def follow(training: Training, workers: Workers, stop: StopRequest) -> None:
    """Train as the chief does, from where it begins.

    Raises:
        ClusterError: the chief refuses, or a worker is lost.
        TrainingError: the loss is NaN or infinite.
        Stopped: a signal asked one of the workers for the end.
    """
    told = hear_chief(workers)
    start = _position(told["position"])
    model = new_model(training.config.seed)

    def begin(_: Live) -> None:
        stop.polite = True

    def keep(position: Position) -> None:
        if stop.number is not None:
            raise Stopped(stop.number, f"stopped with the others after step {position.step}")

    hooks = Hooks(start=start, begin=begin, keep=keep)
    with _explained(training.config.batch_size, told["go_on"]):
        loop_of(training, workers, stop)(model, training.data, training.config, hooks)
    stop.polite = False


def hear_chief(workers: Workers) -> dict[str, Any]:
    """What the chief tells.

    Raises:
        ClusterError: it refuses; the text says why.
    """
    told: dict[str, Any] = workers.tell(None)[0]
    if "refused" in told:
        raise ClusterError(f"{workers.name(0)} refuses: {told['refused']}")
    return told


def _position(told: dict[str, Any]) -> Position:
    return replace(Position(**told), epochs=tuple(EpochRecord(**record) for record in told["epochs"]))


@contextlib.contextmanager
def _explained(batch_size: int, go_on: str) -> Iterator[None]:
    try:
        yield
    except NotFiniteError as error:
        raise TrainingError(f"{error}; worker 0 keeps the run") from None
    except (tf.errors.ResourceExhaustedError, MemoryError):
        raise TrainingError(f"out of memory at --batch-size {batch_size}. Use a smaller one.") from None
    except ClusterError as error:
        raise ClusterError(f"{error} {go_on}") from None
