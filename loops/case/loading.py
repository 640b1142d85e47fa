"""Loads and checks a user's case, whose training can then be run from one start several times."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from loops.case.arguments import Arguments, WrongArgumentsError, arguments_of
from loops.case.batches import Batch, WrongBatchError, batch_size, batch_spec, one_epoch
from loops.case.errors import CaseError
from loops.case.execution import Execution
from loops.case.form import read_form
from loops.case.replicas import replicas_of

__all__ = ["Batch", "Case", "CaseError", "Start", "batch_size", "batch_spec", "layout"]


@dataclass(frozen=True)
class Start:
    """Where every training of a case begins: the values of model.variables in their order.

    `layout` tells models apart whose values would fit and whose layers differ; it may be left out.
    """

    values: tuple[np.ndarray, ...]
    layout: tuple[str, ...] = ()


class Case:
    """One execution of a case. Each training needs a fresh one, since the file may hold state.

    `has_step` is false where the model's own train_step or compute_loss is what is examined.
    """

    def __init__(self, path: Path, paste: str = "") -> None:
        """Execute `path`, and `paste` as if it stood at the file's end.

        Raises:
            CaseError: the file is missing, raises, or gives something wrong or not enough.
        """
        self.path = path
        self._execution = Execution(path, paste)
        self._form = read_form(self._execution)
        given = self._form.given
        self.seed = int(given.get("seed", 0))
        self.compile_args: dict[str, Any] = dict(given.get("compile_args", {}))
        self.fit_args: dict[str, Any] = dict(given.get("fit_args", {}))
        if "weighted_metrics" in self.compile_args:
            self.compile_args["weighted_metrics"] = _fresh(self.compile_args["weighted_metrics"])
        if isinstance(self.fit_args.get("callbacks"), tf.keras.callbacks.Callback):
            self.fit_args["callbacks"] = [self.fit_args["callbacks"]]
        self.train_step: Callable[..., Any] | None = given.get("train_step")
        self.has_step = self.train_step is not None
        self._arguments: Arguments | None = None

    def name_of(self, part: str) -> str | None:
        """The top-level name that holds a part of the format, "train_step" say; None where there is none."""
        value = self._form.given.get(part)
        names = [name for name, held in vars(self._execution.module).items() if held is value]
        return names[0] if names and value is not None else None

    def value_of(self, name: str) -> Any:
        """What the file holds at top level by this name; None where it has no such name."""
        return vars(self._execution.module).get(name)

    @property
    def replicas(self) -> int:
        """On how many replicas the case's strategy runs; 1 where it has none."""
        return replicas_of(self._execution.module)

    def loss(self) -> Any:
        """The loss as compile() takes it."""
        return self._form.given.get("loss")

    def metrics(self) -> Any:
        """Fresh copies of the metrics for compile(), so that the step's own objects keep their state."""
        return _fresh(self._form.given.get("metrics"))

    def model(self, example: Batch, start: Start | None = None) -> tf.keras.Model:
        """A built model with the values of `start`, or those that the seed draws where none is given.

        Raises:
            CaseError: what is made is no model, is another one than at `start`, or lacks a step or a loss.
        """
        tf.keras.utils.set_random_seed(self.seed)
        model, shown = self._made("make_model", tf.keras.Model), self._form.shown("make_model")
        if not isinstance(model, tf.keras.Model):
            raise CaseError(f"{self.path}: {shown} gave {type(model).__name__}, not a Keras model.")
        if _overrides(model, "call"):  # a model of several models may have none
            self.run(shown, lambda: model(example.x, training=False))  # builds a subclassed model
        if not model.variables:
            raise CaseError(f"{self.path}: {shown} gave a model without variables. Build it there.")
        self._check_complete(model)
        self._arguments = self._find_arguments(len(example.data()))
        if start is not None:
            self._check_same(model, start)
            for variable, value in zip(model.variables, start.values, strict=True):
                variable.assign(value)
        return model

    def optimizer(self) -> Any:
        """The optimizer."""
        optimizer = self._made("make_optimizer", tf.keras.optimizers.Optimizer)
        if isinstance(optimizer, tf.keras.optimizers.Optimizer):
            return optimizer
        shown = f"{self.path}: {self._form.shown('make_optimizer')} gave"
        if isinstance(optimizer, list | tuple | dict):
            raise CaseError(
                f"{shown} {len(optimizer)} optimizers. fit() trains by one; for several (a GAN) it has no "
                "standard meaning to compare with. Where your model overrides train_step, that one is the "
                "reference: keep the others in the model and give one."
            )
        raise CaseError(f"{shown} {type(optimizer).__name__}, not a Keras optimizer.")

    def epoch(self, limit: int) -> list[Batch]:
        """The batches of one pass as tensors, of more than `limit` the first ones.

        A partial last batch replaces the last of them.

        Raises:
            CaseError: batches() raises, is empty, or yields what fit() could not take.
        """

        def draw() -> list[Batch]:
            try:
                return one_epoch(self.source(), limit)
            except WrongBatchError as error:
                raise CaseError(f"{self.path}: {error}") from None

        batches: list[Batch] = self.run("batches", draw)
        return batches

    def source(self) -> Any:
        """What yields the batches of one pass, as the case gives it."""
        given = self._form.given["batches"]
        return given() if callable(given) else given

    @property
    def takes_optimizer(self) -> bool:
        """Whether the user's step is called with model and optimizer, rather than with the data alone."""
        return self._arguments is not None and self._arguments.with_model

    @property
    def takes_whole_batch(self) -> bool:
        """Whether the step takes a batch as one tuple."""
        return self._arguments is not None and self._arguments.whole

    @property
    def data_count(self) -> int:
        """How many parts of a batch the step takes; all that there are where it is not known."""
        return self._arguments.count if self._arguments is not None else 3

    def step(self, model: tf.keras.Model, optimizer: Any, *data: Any) -> Any:
        """One step of the user's, called with those of its arguments that it takes."""
        assert self.train_step is not None
        if self._arguments is None:
            self._arguments = self._find_arguments(len(data))
        assert self._arguments is not None
        return self.train_step(*self._arguments.of(model, optimizer, data))

    def on_epoch_begin(self, model: tf.keras.Model, optimizer: Any, epoch: int) -> None:
        """What the user's loop does before an epoch (from 0); nothing where the case does not say."""
        self._call("on_epoch_begin", model, optimizer, epoch)

    def on_epoch_end(self, model: tf.keras.Model, optimizer: Any, epoch: int) -> None:
        """What the user's loop does after an epoch."""
        self._call("on_epoch_end", model, optimizer, epoch)

    def on_train_end(self, model: tf.keras.Model, optimizer: Any) -> None:
        """What the user's loop does at the end."""
        self._call("on_train_end", model, optimizer)

    def run(self, name: str, function: Callable[[], Any]) -> Any:
        """Run a piece of the user's code, and turn what it raises into one message with the line.

        Raises:
            CaseError: the code raised, or would have ended the process.
        """
        return self._execution.run(name, function)

    def _made(self, name: str, kind: type) -> Any:
        value = self._form.given[name]
        if isinstance(value, kind) or not callable(value):
            return value
        return self.run(name, value)

    def _call(self, name: str, *arguments: Any) -> None:
        function = self._form.given.get(name)
        if function is not None:
            self.run(name, lambda: function(*arguments))

    def _find_arguments(self, size: int) -> Arguments | None:
        if self.train_step is None:
            return None
        try:
            return arguments_of(self.train_step, size, self._form.of_script)
        except WrongArgumentsError as error:
            raise CaseError(f"{self.path}: {error}") from None

    def _check_complete(self, model: tf.keras.Model) -> None:
        """Refuse a case without a step or a loss, where the model does not bring its own."""
        own_step, own_loss = _overrides(model, "train_step"), _overrides(model, "compute_loss")
        if not (self.has_step or own_step or own_loss):
            raise CaseError(
                f"{self.path}: defines no train_step, and the class of the model overrides neither "
                "train_step nor compute_loss: there is nothing to compare with fit()."
            )
        if not ("loss" in self._form.given or own_step or own_loss or model.losses):
            raise CaseError(
                f"{self.path}: defines no loss. Give what compile() gets; loss = None where the model "
                "adds all its losses by add_loss()."
            )

    def _check_same(self, model: tf.keras.Model, start: Start) -> None:
        """Refuse a model that is not the one of the first training."""
        shapes = [tuple(variable.shape) for variable in model.variables]
        same = shapes == [value.shape for value in start.values]
        if not same or (start.layout and start.layout != layout(model)):
            raise CaseError(
                f"{self.path}: {self._form.shown('make_model')} gives another model each time, with other "
                "layers or in another order. Take what it draws at random from random.Random(0)."
            )


def layout(model: tf.keras.Model) -> tuple[str, ...]:
    """The kinds of a model's layers in order, with their activations and the paths of their variables."""
    layers: Sequence[Any] = model._flatten_layers()  # nested ones have no public list
    kinds = (f"{type(each).__name__} {_name(getattr(each, 'activation', None))}" for each in layers)
    return (*kinds, *(f"{variable.path} {tuple(variable.shape)}" for variable in model.variables))


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _overrides(model: tf.keras.Model, name: str) -> bool:
    return getattr(type(model), name) is not getattr(tf.keras.Model, name)


def _fresh(metrics: Any) -> Any:
    return tf.nest.map_structure(_fresh_metric, metrics)


def _fresh_metric(metric: Any) -> Any:
    if isinstance(metric, tf.keras.metrics.Metric):
        return type(metric).from_config(metric.get_config())
    return metric
