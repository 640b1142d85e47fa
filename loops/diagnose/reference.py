"""Replays a case by this project's own step for any Keras model, with or without one known mistake."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from loops.case.loading import Batch, Case, Start, batch_spec
from loops.case.running import Mode, traced
from loops.parity.states import Array, State, VariableName, snapshot

Loss = Callable[["RowLoss", Any, Any], Any]
Gradients = Callable[[list[Any]], list[Any]]


@dataclass(frozen=True)
class Mistake:
    """One departure from fit(): its name, the detail that tells its variants apart, and the mended code.

    The other fields say where it enters the step; each default is what fit() does. `rounding` is true
    where it changes the rounding alone.
    """

    name: str
    detail: str = ""
    advice: str = ""
    training: bool = True
    regularisers: bool = True
    inputs: Callable[[Any], Any] | None = None
    predictions: Callable[[Any], Any] | None = None
    loss: Loss | None = None  # of one output; of several, the sum
    only_output: int | None = None  # the one whose loss counts
    gradients: Gradients | None = None
    variables: Callable[[tf.keras.Model], list[Any]] | None = None
    optimizer: Callable[[Any], Any] | None = None
    constraints: bool = True
    unfreeze: bool = False
    fresh_optimizer: bool = False
    accumulate: int = 1
    accumulate_mean: bool = False
    never_cleared: bool = False
    skip: Callable[[Batch], bool] | None = None
    rounding: bool = False

    @property
    def stateful(self) -> bool:
        """Whether it carries something from step to step that weights and slots do not show."""
        return self.accumulate > 1 or self.never_cleared

    def __str__(self) -> str:
        return f"{self.name} ({self.detail})" if self.detail else self.name


NO_MISTAKE = Mistake("none")


@dataclass(frozen=True)
class RowLoss:
    """The case's loss function, row by row."""

    function: Any

    def __call__(self, y: Any, prediction: Any) -> Any:
        """The loss of each row, unreduced."""
        if isinstance(self.function, tf.keras.losses.Loss):
            return self.function.call(y, prediction)
        return self.function(y, prediction)


class Replayer:
    """Replays trainings of one case from its start, with or without a mistake."""

    def __init__(self, case: Case, epoch: Sequence[Batch], start: Start, mode: Mode) -> None:
        self._case, self._epoch, self._start, self._mode = case, epoch, start, mode
        self._model = case.model(epoch[0], start)
        layers = self._model._flatten_layers(include_self=False)  # nested ones have no public list
        self._frozen = [(layer, layer.trainable) for layer in layers if not layer.trainable]
        self._constraints = [variable.constraint for variable in self._model.variables]
        losses = tf.nest.flatten(case.loss())
        self._row_losses = [RowLoss(tf.keras.losses.get(loss)) for loss in losses]

    def replay(self, mistake: Mistake, steps: int, order: Sequence[int] | None = None) -> Iterator[State]:
        """Train from the start and yield the state after each step. `order` names the batch of each step."""
        optimizer, step = self._prepare(mistake)
        _assign(self._model.variables, self._start.values)
        run = traced(step, self._mode, [*batch_spec(self._epoch[0]), _FLAG])
        for index in range(steps):
            batch = self._epoch[order[index] if order else index % len(self._epoch)]
            self._advance(mistake, optimizer, run, batch, index)
            yield snapshot(self._model, optimizer, {})

    def one_step(self, mistake: Mistake, before: State | None, index: int) -> State | None:
        """One eager step (number `index`, from 0) from `before`. It differs from the traced one by rounding.

        Returns None where one step cannot tell: the mistake's optimizer keeps other slots than `before`.
        """
        optimizer, step = self._prepare(mistake)
        if before is None:
            _assign(self._model.variables, self._start.values)
        else:
            _assign(self._model.variables, _in_order({**before.weights, **before.random}))
            slots = list(before.slots.values())
            if [value.shape for value in slots] != [tuple(slot.shape) for slot in optimizer.variables]:
                return None
            own_rate = [v.numpy() for v in optimizer.variables if v.name == "learning_rate"]
            _assign(optimizer.variables, slots)
            _assign([v for v in optimizer.variables if v.name == "learning_rate"], own_rate)
        self._advance(mistake, optimizer, step, self._epoch[index % len(self._epoch)], index)
        return snapshot(self._model, optimizer, {})

    def _advance(self, mistake: Mistake, optimizer: Any, run: Any, batch: Batch, index: int) -> None:
        if mistake.skip and mistake.skip(batch):
            return
        if mistake.fresh_optimizer:
            _assign(optimizer.variables, self._fresh_slots)
        run(*batch, tf.constant((index + 1) % mistake.accumulate == 0))

    def _prepare(self, mistake: Mistake) -> tuple[Any, Callable[..., None]]:
        model = self._model
        optimizer = self._case.optimizer()
        if mistake.optimizer:
            optimizer = mistake.optimizer(optimizer)
        model.compile(optimizer, loss=self._case.loss(), jit_compile=False)
        for layer, trainable in self._frozen:
            layer.trainable = trainable or mistake.unfreeze
        for variable, constraint in zip(model.variables, self._constraints, strict=True):
            variable.constraint = constraint if mistake.constraints else None
        variables = mistake.variables(model) if mistake.variables else list(model.trainable_variables)
        optimizer.build(variables)
        self._fresh_slots = [variable.numpy() for variable in optimizer.variables]
        return optimizer, self._make_step(mistake, optimizer, variables)

    def _make_step(self, mistake: Mistake, optimizer: Any, variables: list[Any]) -> Callable[..., None]:
        sums = (
            [tf.Variable(tf.zeros_like(each), trainable=False) for each in variables]
            if mistake.stateful
            else []
        )
        tensors = [variable.value for variable in variables]

        def step(x: Any, y: Any, due: Any) -> None:
            with tf.GradientTape() as tape:
                tape.watch(tensors)  # frozen ones too, where the mistake asks for them
                loss = self._loss(mistake, x, y)
            gradients = tape.gradient(loss, tensors)
            if mistake.gradients:
                gradients = mistake.gradients(gradients)
            if not mistake.stateful:
                optimizer.apply(gradients, variables)
                return
            for total, gradient in zip(sums, gradients, strict=True):
                total.assign_add(tf.zeros_like(total) if gradient is None else gradient)
            done = tf.constant(0)
            tf.cond(due, lambda: self._apply_sums(mistake, optimizer, variables, sums), lambda: done)

        return step

    def _apply_sums(self, mistake: Mistake, optimizer: Any, variables: list[Any], sums: list[Any]) -> Any:
        divisor = float(mistake.accumulate) if mistake.accumulate_mean else 1.0
        optimizer.apply([total / divisor for total in sums], variables)
        if not mistake.never_cleared:
            for total in sums:
                total.assign(tf.zeros_like(total))
        return tf.constant(0)

    def _loss(self, mistake: Mistake, x: Any, y: Any) -> Any:
        model = self._model
        if mistake.inputs:
            x = tf.nest.map_structure(mistake.inputs, x)
        prediction = model(x, training=mistake.training)
        if mistake.predictions:
            prediction = tf.nest.map_structure(mistake.predictions, prediction)
        if mistake.loss:
            extra = list(model.losses) if mistake.regularisers else []
            parts = [*self._output_losses(mistake, y, prediction), *extra]
            return tf.keras.ops.sum(parts) if len(parts) > 1 else parts[0]
        if mistake.regularisers:
            return model.compute_loss(x, y, prediction, training=True)
        return model._compile_loss(y, prediction)  # the data's part alone has no public name

    def _output_losses(self, mistake: Mistake, y: Any, prediction: Any) -> list[Any]:
        targets, outputs = tf.nest.flatten(y), tf.nest.flatten(prediction)
        rows = self._row_losses * (len(outputs) if len(self._row_losses) == 1 else 1)
        assert mistake.loss is not None
        losses = [mistake.loss(*each) for each in zip(rows, targets, outputs, strict=True)]
        return losses if mistake.only_output is None else [losses[mistake.only_output]]


_FLAG = tf.TensorSpec([], tf.bool)


def _assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _in_order(arrays: dict[VariableName, Array]) -> list[Array]:
    """The arrays in the order of their variables."""
    return [arrays[name] for name in sorted(arrays)]
