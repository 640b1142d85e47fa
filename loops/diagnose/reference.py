"""fit() itself with one known mistake at a time: whole trainings, and single steps from any state."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from loops.case.batches import Batch
from loops.case.loading import Case, Start
from loops.case.observing import Applied, Event, Observer
from loops.case.running import FitOptions, MakeStep, Mode, train_by_fit
from loops.diagnose.band import compute_eps, moved_by_one_ulp
from loops.diagnose.mistake import Mistake, RowLoss
from loops.diagnose.optimizers import copy_of
from loops.diagnose.step import Step, Writing, is_in_step, mistaken_step
from loops.parity.states import Array, State, snapshot

Targets = Callable[[list[tuple[RowLoss, Any, Any]]], list[Any]]
StopAfter = Callable[[int, State], bool]  # of a step's number, from 1, and the state after it


class Replayer:
    """Replays fit()'s training of one case from its start, with a mistake or without.

    `base` makes the right train_step, where that is not the model's own.
    """

    def __init__(
        self, path: Path, epoch: Sequence[Batch], start: Start, mode: Mode, base: MakeStep | None = None
    ) -> None:
        self._path, self._epoch, self._start, self._mode, self._base = path, list(epoch), start, mode, base

    def replay(
        self,
        mistake: Mistake,
        steps: int,
        stop_after: StopAfter | None = None,
        *,
        rewritten: bool = False,
    ) -> list[State]:
        """Train from the start; the state after each step, until `stop_after` says so.

        `rewritten` takes this room's writing of the step even where there is no mistake in it, to see
        whether that writing reproduces fit().
        """
        case = Case(self._path)
        left_out = {
            name: value(case.fit_args[name]) if callable(value) else value
            for name, value in mistake.without.items()
            if name != "sample_weight"
        }

        def make(model: tf.keras.Model) -> Step:
            right: Step = self._base(model) if self._base else model.train_step
            if not (rewritten or is_in_step(mistake)):
                return right
            return mistaken_step(model, mistake, case.loss(), case.compile_args)

        options = FitOptions(
            mode=self._mode,
            make_step=make,
            compile_args={name: left_out[name] for name in left_out if name in case.compile_args},
            fit_args={name: left_out[name] for name in left_out if name in case.fit_args},
            data=without_weights if "sample_weight" in mistake.without else None,
            optimizer=mistake.optimizer,
            stop_after=stop_after,
        )
        return train_by_fit(case, self._epoch, steps, self._start, options).states


def without_weights(batch: Batch) -> Batch:
    """The batch without its sample weights."""
    return batch._replace(sample_weight=None)


class OneStep:
    """Single steps of fit(), run eagerly on one model from any state; within rounding of the traced ones."""

    def __init__(
        self, path: Path, epoch: Sequence[Batch], start: Start, base: MakeStep | None = None
    ) -> None:
        self._eps = compute_eps(path, epoch, start)
        self._case, self._start = Case(path), start  # executed last: names are counted from here on
        self._model = self._case.model(epoch[0], start)
        if base:
            base(self._model)  # for the loss that it puts in place
        layers = self._model._flatten_layers(include_self=False)  # nested ones have no public list
        self._layers = [(layer, layer.trainable) for layer in layers]
        self._trainable = [(variable, variable.trainable) for variable in self._model.variables]
        self._constraints = [variable.constraint for variable in self._model.variables]
        self._epoch = [_weighed_by_class(batch, self._case.fit_args) for batch in epoch]

    def run(self, mistake: Mistake, before: State | None, after: State, index: int) -> State | None:
        """Step `index` (from 0) from the state `before` (None: the start); `after` is fit()'s state after it.

        None where one step cannot tell: the mistake's optimizer keeps other slots than `before` holds.
        """
        optimizer, step = self._compiled(mistake)
        if not self._place(optimizer, mistake, before, after):
            return None
        step.run(self._batch(index))
        return snapshot(self._model, optimizer, {})

    def watch(
        self,
        mistake: Mistake,
        before: State | None,
        after: State,
        index: int,
        nudge: int | None = None,
        seed: int | None = None,
    ) -> tuple[list[Event], State | None]:
        """What happens within that step, and the state after it: None where `run` gives none.

        With `nudge`, a seed, from weights that are moved by one ULP; with `seed`, TensorFlow's global
        generator is seeded by it.
        """
        optimizer, step = self._compiled(mistake)
        placed = self._place(optimizer, mistake, before, after)
        if nudge is not None:
            values = Start(tuple(_values(self._model.variables)))
            _assign(self._model.variables, moved_by_one_ulp(values, nudge, self._eps).values)
        if seed is not None:
            tf.random.set_seed(seed)
        with Observer(self._model) as observer, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras may well warn about a mistake
            step.run(self._batch(index))
        return observer.take(), snapshot(self._model, optimizer, {}) if placed else None

    def gradients(self, mistake: Mistake, before: State | None, after: State, index: int) -> dict[int, Array]:
        """The gradients that the optimizer gets in that step, by index into model.variables."""
        events, _ = self.watch(mistake, before, after, index)
        applied = [each for each in events if isinstance(each, Applied)]
        return dict(applied[0].gradients) if applied else {}

    def columns(
        self,
        mistake: Mistake,
        before: State | None,
        after: State,
        index: int,
        targets: Targets,
        seed: int | None = None,
    ) -> list[dict[int, Array]]:
        """The gradient of each value that `targets` makes of the outputs' losses in that step."""
        optimizer, step = self._compiled(mistake)
        if seed is not None:
            tf.random.set_seed(seed)
        self._place(optimizer, mistake, before, after)
        places = {id(variable): place for place, variable in enumerate(self._model.variables)}
        variables = step.variables
        return [
            {
                places[id(variable)]: tf.convert_to_tensor(gradient).numpy()
                for variable, gradient in zip(variables, gradients, strict=True)
                if gradient is not None
            }
            for gradients in step.columns(self._batch(index), targets)
        ]

    @property
    def model(self) -> tf.keras.Model:
        """The model that the steps run on."""
        return self._model

    @property
    def loss(self) -> Any:
        """What compile() gets."""
        return self._case.loss()

    @property
    def scales_loss(self) -> bool:
        """Whether the optimizer is one that scales the loss, as under mixed_float16."""
        optimizer = self._case.optimizer()
        return hasattr(optimizer, "inner_optimizer") or self._model.dtype_policy.name == "mixed_float16"

    def decays(self, variable: Any) -> bool:
        """Whether fit()'s optimizer takes a weight decay off this variable of the model."""
        optimizer = self._model.optimizer
        return bool(getattr(optimizer, "weight_decay", None)) and bool(optimizer._use_weight_decay(variable))

    @property
    def class_weights(self) -> dict[int, float]:
        """The class_weight that fit() gets; {} where it gets none."""
        return {int(k): float(v) for k, v in (self._case.fit_args.get("class_weight") or {}).items()}

    @property
    def ignores_class(self) -> bool:
        """Whether a loss leaves out the rows or pixels of one class."""
        return any(getattr(each, "ignore_class", None) is not None for each in tf.nest.flatten(self.loss))

    def factors(self, outputs: int) -> list[float]:
        """The loss_weights of compile(), one for each output; 1 where it has none."""
        given = tf.nest.flatten(self._case.compile_args.get("loss_weights"))
        values = [1.0 if value is None else float(value) for value in given]
        return values * outputs if len(values) == 1 else values or [1.0] * outputs

    def _batch(self, index: int) -> tuple[Any, ...]:
        return self._epoch[index % len(self._epoch)].data()

    def _compiled(self, mistake: Mistake) -> tuple[Any, Writing]:
        case, model = self._case, self._model
        # A script has one optimizer for good, which cannot be built for other variables again
        optimizer = (mistake.optimizer or copy_of)(case.optimizer())
        for layer, trainable in self._layers:
            layer.trainable = trainable
        for variable, trainable in self._trainable:
            variable.trainable = trainable
        for layer in self._model._flatten_layers():
            if "_own_call" in vars(layer):
                object.__setattr__(layer, "call", layer._own_call)
        for variable, constraint in zip(model.variables, self._constraints, strict=True):
            variable.constraint = constraint
        compiled = {key: value for key, value in case.compile_args.items() if key != "steps_per_execution"}
        model.compile(optimizer, loss=case.loss(), **{**compiled, "jit_compile": False, "run_eagerly": True})
        return optimizer, Writing(model, mistake, case.loss(), case.compile_args)

    def _place(self, optimizer: Any, mistake: Mistake, before: State | None, after: State) -> bool:
        """Put model and optimizer where the step begins; false where the optimizer has other slots."""
        slots = _values(optimizer.variables) if before is None else list(before.slots.values())
        if before is None:
            _assign(self._model.variables, self._start.values)
        else:
            values = {**before.weights, **before.random}
            _assign(self._model.variables, [values[name] for name in sorted(values)])
        if [np.shape(value) for value in slots] != [tuple(slot.shape) for slot in optimizer.variables]:
            return False
        rates = [variable for variable in optimizer.variables if variable.name == "learning_rate"]
        # A callback may have set the rate where this step's epoch began; a mistake may have its own
        now = [value for name, value in after.slots.items() if name.path.endswith("learning_rate")]
        own = _values(rates) if mistake.optimizer or len(now) != len(rates) else now
        _assign(optimizer.variables, slots)
        _assign(rates, own)
        return True


def _weighed_by_class(batch: Batch, fit_args: Mapping[str, Any]) -> Batch:
    """The batch with the sample weights that fit() makes of class_weight."""
    if not fit_args.get("class_weight"):
        return batch
    # It has no public name
    from keras.src.trainers.data_adapters.tf_dataset_adapter import make_class_weight_map_fn  # noqa: PLC0415

    return Batch(*make_class_weight_map_fn(fit_args["class_weight"])(*batch.data()))


def _values(variables: Sequence[Any]) -> list[Any]:
    return [variable.numpy() for variable in variables]


def _assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
