"""Loads and checks a user's case file, whose training can then be run from one start several times."""

import importlib.util
import itertools
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from loops.errors import UserError

REQUIRED = ("make_model", "make_optimizer", "loss", "batches", "train_step")
LOOK_AHEAD_SECONDS = 3.0  # for the end of batches(), which may have none
CALLABLES = ("make_model", "make_optimizer", "batches", "train_step")
Batch = tuple[Any, Any]  # (x, y): tensors, or tuples, lists and dicts of tensors


class CaseError(UserError):
    """A case file cannot be loaded, lacks a name, or raises when it runs."""


@dataclass(frozen=True)
class Start:
    """Where every training of a case begins: the values of model.variables in their order."""

    values: tuple[np.ndarray, ...]


class Case:
    """One execution of a case file. Each training needs a fresh one, since the file may hold state."""

    def __init__(self, path: Path) -> None:
        """Execute `path`.

        Raises:
            CaseError: the file is missing, raises, or lacks one of the names it must define.
        """
        self.path = path
        self.module = _execute(path)
        missing = [name for name in REQUIRED if not hasattr(self.module, name)]
        if missing:
            raise CaseError(
                f"{path}: defines no {', '.join(missing)}. A case must define {', '.join(REQUIRED)}."
            )
        for name in CALLABLES:
            if not callable(getattr(self.module, name)):
                raise CaseError(f"{path}: {name} is not a function.")
        self.seed = int(getattr(self.module, "seed", 0))
        self.train_step: Callable[..., Any] = self.module.train_step

    def loss(self) -> Any:
        """The loss as compile() takes it."""
        return self.module.loss

    def metrics(self) -> Any:
        """Fresh copies of the metrics for compile(), so that the step's own objects keep their state."""
        return tf.nest.map_structure(_fresh_metric, getattr(self.module, "metrics", None))

    def model(self, example: Batch, start: Start | None = None) -> tf.keras.Model:
        """A built model with the values of `start`, or those that the seed draws where none is given."""
        tf.keras.utils.set_random_seed(self.seed)
        model = self.call("make_model")
        if not isinstance(model, tf.keras.Model):
            raise CaseError(f"{self.path}: make_model() returned {type(model).__name__}, not a Keras model.")
        self.run("make_model", lambda: model(example[0], training=False))  # builds a subclassed model
        if start is not None:
            for variable, value in zip(model.variables, start.values, strict=True):
                variable.assign(value)
        return model

    def optimizer(self) -> Any:
        """A fresh optimizer."""
        optimizer = self.call("make_optimizer")
        if not isinstance(optimizer, tf.keras.optimizers.Optimizer):
            kind = type(optimizer).__name__
            raise CaseError(f"{self.path}: make_optimizer() returned {kind}, not a Keras optimizer.")
        return optimizer

    def call(self, name: str) -> Any:
        """Call one of the file's functions."""
        return self.run(name, getattr(self.module, name))

    def run(self, name: str, function: Callable[[], Any]) -> Any:
        """Run a piece of the user's code, and turn what it raises into one message with the line.

        Raises:
            CaseError: the code raised.
        """
        try:
            return function()
        except UserError:
            raise
        except Exception as error:
            raise CaseError(f"{self.path}: {name} raised {_told(self.path, error)}") from None

    def epoch(self, limit: int) -> list[Batch]:
        """The batches of one pass as tensors.

        Of more than `limit` batches these are the first ones; a partial last batch replaces the last of them.

        Raises:
            CaseError: batches() raises, is empty, or yields something else than (x, y) pairs.
        """

        def draw() -> list[Batch]:
            stream = iter(self.call("batches"))
            found = [_as_batch(self.path, item) for item in itertools.islice(stream, limit)]
            last = _last_within(stream, LOOK_AHEAD_SECONDS)
            if last is not None and batch_size(_as_batch(self.path, last)) != batch_size(found[0]):
                found[-1] = _as_batch(self.path, last)
            return found

        batches: list[Batch] = self.run("batches", draw)
        if not batches:
            raise CaseError(f"{self.path}: batches() is empty; it must yield (x, y) pairs.")
        return batches


def _last_within(stream: Iterator[Any], seconds: float) -> Any:
    """The stream's last item, or None where nothing is left or the end is not reached within `seconds`."""
    last, until = None, time.monotonic() + seconds
    for item in stream:
        last = item
        if time.monotonic() > until:
            return None
    return last


def batch_size(batch: Batch) -> int:
    """How many rows x has in a batch, of images or anything else."""
    return int(tf.nest.flatten(batch[0])[0].shape[0])


def batch_spec(batch: Batch) -> Batch:
    """The specs that fit() traces with: the batch's shapes with an open first dimension."""

    def spec_of(tensor: tf.Tensor) -> tf.TensorSpec:
        return tf.TensorSpec([None, *tensor.shape[1:]] if tensor.shape.rank else [], tensor.dtype)

    x, y = (tf.nest.map_structure(spec_of, part) for part in batch)
    return x, y


def _execute(path: Path) -> ModuleType:
    if not path.is_file():
        raise CaseError(f"{path}: no such file. Name a Python file that defines {', '.join(REQUIRED)}.")
    spec = importlib.util.spec_from_file_location("fit_vs_tape_case", path)
    if spec is None or spec.loader is None:
        raise CaseError(f"{path}: is no Python file; its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Keras looks registered classes up in their module
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as Python does for a script, so that it can import its neighbours
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise CaseError(f"{path}: cannot be loaded: {_told(path, error)}") from None
    return module


def _told(path: Path, error: BaseException) -> str:
    """The error in one line of text, with the last line number of the case file in its traceback."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename in (str(path), str(path.absolute()))
    ]
    if isinstance(error, SyntaxError) and error.lineno:
        lines.append(error.lineno)
    where = f" (line {lines[-1]})" if lines else ""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")
    return f"{type(error).__name__}{where}: {text}"


def _as_batch(path: Path, item: Any) -> Batch:
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise CaseError(f"{path}: batches() must yield (x, y) pairs, not {type(item).__name__}.")
    # fit() casts float64 arrays to float32; the step must see the very same tensors
    x, y = (tf.nest.map_structure(_as_tensor, tuple(p) if isinstance(p, list) else p) for p in item)
    return x, y


def _as_tensor(value: Any) -> tf.Tensor:
    tensor = tf.convert_to_tensor(value)
    return tf.cast(tensor, tf.keras.config.floatx()) if tensor.dtype == tf.float64 else tensor


def _fresh_metric(metric: Any) -> Any:
    if isinstance(metric, tf.keras.metrics.Metric):
        return type(metric).from_config(metric.get_config())
    return metric
