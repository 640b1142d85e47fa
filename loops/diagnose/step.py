"""fit()'s training step with one known mistake in it, for any compiled Keras model."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MethodType
from typing import Any

import tensorflow as tf

from loops.diagnose.mistake import DONE, NO_MISTAKE, Mistake, RowLoss

Step = Callable[[Any], Any]  # of what fit() takes from its data: (x,), (x, y) or (x, y, sample_weight)


def keras_own(model: tf.keras.Model) -> Step:
    """Keras's own train_step and loss, for a model whose class overrides them."""
    model.compute_loss = MethodType(tf.keras.Model.compute_loss, model)
    step: Step = MethodType(tf.keras.Model.train_step, model)
    return step


def is_in_step(mistake: Mistake) -> bool:
    """Whether the mistake changes the step, and not only what compile() and fit() get."""
    outside = {"optimizer", "without"}
    return any(getattr(mistake, name) != getattr(NO_MISTAKE, name) for name in DONE if name not in outside)


def mistaken_step(
    model: tf.keras.Model, mistake: Mistake, loss: Any, compile_args: Mapping[str, Any]
) -> Step:
    """What Keras's train_step does, written so that a mistake can enter anywhere.

    `loss` and `compile_args` are those that the model was compiled with.
    """
    return Writing(model, mistake, loss, compile_args).run


class Writing:
    """One writing of the step for a compiled model."""

    def __init__(
        self, model: tf.keras.Model, mistake: Mistake, loss: Any, compile_args: Mapping[str, Any]
    ) -> None:
        self._model, self._mistake = model, mistake
        for variable in model.variables if not mistake.constraints else ():
            variable.constraint = None
        for layer in model._flatten_layers(include_self=False) if mistake.unfreeze else ():
            layer.trainable = True  # nested ones have no public list
        self.variables = list(mistake.variables(model) if mistake.variables else model.trainable_variables)
        self._optimizer = model.optimizer
        self._optimizer.build(self.variables)
        self._fresh_slots = [variable.numpy() for variable in self._optimizer.variables]
        self._losses = [tf.keras.losses.get(each) for each in tf.nest.flatten(loss) if each is not None]
        self._output_weights = tf.nest.flatten(compile_args.get("loss_weights"))
        self._flag_layers()
        self._groups = self._own_optimizers()
        indices = {id(variable): index for index, variable in enumerate(model.variables)}
        self._dense = {
            place for place, variable in enumerate(self.variables) if indices[id(variable)] in mistake.dense
        }
        self._kept = [model.variables[index] for index in sorted(mistake.kept)]
        self._decayed = [(model.variables[index], much) for index, much in mistake.decay.items()]
        accumulates = mistake.accumulate > 1 or mistake.memory is not None
        self._sums = [tf.Variable(tf.zeros_like(v), trainable=False) for v in self.variables * accumulates]
        self._done = tf.Variable(0, trainable=False)  # steps

    def _own_optimizers(self) -> list[tuple[list[int], Any]]:
        """Places in the list of variables, and the optimizer that updates them."""
        indices = {id(variable): index for index, variable in enumerate(self._model.variables)}
        places = {indices[id(variable)]: place for place, variable in enumerate(self.variables)}
        found = []
        for group, make in self._mistake.by_group:
            own = make(self._optimizer) if make else self._optimizer
            held = [places[index] for index in group if index in places]
            if make:
                own.build([self.variables[place] for place in held])
            found.append((held, own))
        return found

    def _flag_layers(self) -> None:
        """Give single layers the training flag that the mistake says."""
        layers = self._model._flatten_layers()
        for index, flag in self._mistake.flags.items():
            layer = layers[index]
            own = getattr(layer, "_own_call", layer.call)
            object.__setattr__(layer, "_own_call", own)
            object.__setattr__(layer, "call", _with_flag(own, flag))

    def run(self, data: Any) -> Any:
        """One training step; returns the logs."""
        x, y, weights = tf.keras.utils.unpack_x_y_sample_weight(data)
        if self._mistake.rows:
            x, y, weights = tf.nest.map_structure(
                lambda part: None if part is None else self._mistake.rows(part), (x, y, weights)
            )
        rows = tf.shape(tf.nest.flatten(x)[0])[0]
        only = self._mistake.only_rows
        if only is None:
            self._train(x, y, weights, rows)
        else:
            tf.cond(tf.equal(rows, only), lambda: self._train(x, y, weights, rows), lambda: tf.constant(0))
        return self._model.get_metrics_result()

    def _train(self, x: Any, y: Any, weights: Any, rows: Any) -> Any:
        mistake = self._mistake
        if mistake.fresh_every:
            due = tf.equal(self._done % mistake.fresh_every, 0)
            tf.cond(due, self._renew_optimizer, lambda: tf.constant(0))
        if mistake.prepare:
            due = tf.equal(self._done % mistake.prepare_every, 0)
            tf.cond(due, self._prepare, lambda: tf.constant(0))
        if mistake.rates is not None:
            rates = tf.constant(list(mistake.rates), tf.float32)
            self._optimizer.learning_rate.assign(rates[tf.minimum(self._done, len(mistake.rates) - 1)])
        self._done.assign_add(1)
        held = [variable.value + 0 for variable in self._kept]
        for _ in range(mistake.repeats):
            self._train_once(x, y, weights, rows)
        for variable, value in zip(self._kept, held, strict=True):
            variable.assign(value)
        for _ in range(mistake.passes_last):
            self._model(x, training=True)
        return tf.constant(0)

    def _train_once(self, x: Any, y: Any, weights: Any, rows: Any) -> None:
        mistake = self._mistake
        if mistake.per_output:
            for gradients in self._gradients_by_output(x, y, weights):
                self._update(gradients)
            return
        if mistake.pieces_apart > 1:
            for piece in _cut((x, y, weights), rows, mistake.pieces_apart):
                self._update(self._gradients(*piece, rows))
            return
        if mistake.replicas > 1:
            gradients = self._of_replicas(_cut((x, y, weights), rows, mistake.replicas), rows)
        else:
            pieces = [self._gradients(*piece, rows) for piece in _cut((x, y, weights), rows, mistake.pieces)]
            gradients = pieces[0] if len(pieces) == 1 else [_mean(each) for each in zip(*pieces, strict=True)]
        if mistake.gradients:
            gradients = mistake.gradients(gradients, rows)
        for _ in range(mistake.applies):
            self._update(gradients)

    def _of_replicas(self, pieces: list[tuple[Any, Any, Any]], rows: Any) -> list[Any]:
        """The mean gradient of the pieces; the statistics are those that the first one moves to.

        Each replica keeps its own, and what is read of them is the first one's.
        """
        statistics = [v for v in self._model.non_trainable_variables if tf.as_dtype(v.dtype).is_floating]
        before = [variable.value + 0 for variable in statistics]
        gradients, after = [], []
        for piece in pieces:
            gradients.append(self._gradients(*piece, rows))
            after.append([variable.value + 0 for variable in statistics])
            for variable, value in zip(statistics, before, strict=True):
                variable.assign(value)
        for variable, value in zip(statistics, after[0], strict=True):
            variable.assign(value)
        return [_mean(each) for each in zip(*gradients, strict=True)]

    def _prepare(self) -> Any:
        assert self._mistake.prepare
        self._mistake.prepare(self._model)
        return tf.constant(0)

    def columns(
        self, data: Any, targets: Callable[[list[tuple[RowLoss, Any, Any]]], list[Any]]
    ) -> list[list[Any]]:
        """The gradient of each of the values that `targets` makes of the outputs' losses, in one pass."""
        x, y, weights = tf.keras.utils.unpack_x_y_sample_weight(data)
        if self._mistake.rows:
            x, y, weights = tf.nest.map_structure(
                lambda part: None if part is None else self._mistake.rows(part), (x, y, weights)
            )
        tensors = [variable.value for variable in self.variables]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(tensors)
            found = targets(self._by_output(x, y, self._predict(x), weights))
        return [tape.gradient(each, tensors) for each in found]

    def _gradients(self, x: Any, y: Any, weights: Any, rows: Any) -> list[Any]:
        model, optimizer = self._model, self._optimizer
        tensors = [variable.value for variable in self.variables]
        with tf.GradientTape() as tape:
            tape.watch(tensors)  # frozen ones too, where the mistake asks for them
            prediction = self._predict(x)
            loss = self._penalised(self._loss(x, y, prediction, weights))
            model._loss_tracker.update_state(loss, sample_weight=rows)
            scaled = optimizer.scale_loss(loss) if self._mistake.scale_loss else loss
        model.compute_metrics(x, y, prediction, sample_weight=weights)
        gradients: list[Any] = tape.gradient(scaled, tensors)
        return gradients

    def _gradients_by_output(self, x: Any, y: Any, weights: Any) -> list[list[Any]]:
        tensors = [variable.value for variable in self.variables]
        with tf.GradientTape(persistent=True) as tape:
            losses = self._output_losses(x, y, self._predict(x), weights)
        return [tape.gradient(loss, tensors) for loss in losses]

    def _renew_optimizer(self) -> Any:
        for variable, value in zip(self._optimizer.variables, self._fresh_slots, strict=True):
            if variable.name != "learning_rate":  # a callback may have set it
                variable.assign(value)
        return tf.constant(0)

    def _predict(self, x: Any) -> Any:
        model, mistake = self._model, self._mistake
        for _ in range(mistake.extra_passes):
            model(x, training=True)
        for layer in mistake.layers_before:
            x = model._flatten_layers()[layer](x, training=True)
        if mistake.inputs:
            x = tf.nest.map_structure(mistake.inputs, x)
        with contextlib.nullcontext() if mistake.masks else _without_masks(model):
            prediction = model(x, training=mistake.training) if model._call_has_training_arg else model(x)
        if not mistake.mask:
            for output in tf.nest.flatten(prediction):
                output._keras_mask = None  # Keras's loss looks for it there
        for _ in range(mistake.passes_after):
            model(x, training=True)
        if mistake.predictions:
            prediction = tf.nest.map_structure(mistake.predictions, prediction)
        return prediction

    def _penalised(self, loss: Any) -> Any:
        for index, penalty in self._mistake.penalties.items():
            values = self._model.variables[index].value
            if penalty.of_values:
                loss += penalty.of_values * tf.nn.l2_loss(values)
            if penalty.of_signs:
                loss += penalty.of_signs * tf.reduce_sum(tf.abs(values))
        return loss

    def _loss(self, x: Any, y: Any, prediction: Any, weights: Any) -> Any:
        loss = self._unscaled_loss(x, y, prediction, weights)
        if self._mistake.scale:
            loss *= self._mistake.scale(*self._by_output(x, y, prediction, weights)[0])
        return loss

    def _unscaled_loss(self, x: Any, y: Any, prediction: Any, weights: Any) -> Any:
        model, mistake = self._model, self._mistake
        if mistake.loss_scales:
            return tf.add_n(self._scaled_losses(*mistake.loss_scales, x, y, prediction, weights))
        if mistake.loss or mistake.loss_of or mistake.only_output is not None:
            extra = list(model.losses) if mistake.regularisers else []
            parts = [*self._output_losses(x, y, prediction, weights), *extra]
            return tf.keras.ops.sum(parts) if len(parts) > 1 else parts[0]
        if mistake.regularisers:
            return model._compute_loss(x=x, y=y, y_pred=prediction, sample_weight=weights, training=True)
        return model._compile_loss(y, prediction, weights)  # the data's part alone has no public name

    def _scaled_losses(
        self,
        of_outputs: Sequence[float],
        of_added: Sequence[float],
        x: Any,
        y: Any,
        prediction: Any,
        weights: Any,
    ) -> list[Any]:
        added = [scale * each for scale, each in zip(of_added, self._model.losses, strict=True)]
        if len(of_outputs) == 1 and not (self._mistake.loss or self._mistake.loss_of):
            return [of_outputs[0] * self._model._compile_loss(y, prediction, weights), *added]
        losses = self._output_losses(x, y, prediction, weights) if of_outputs else []
        return [*(scale * each for scale, each in zip(of_outputs, losses, strict=True)), *added]

    def _by_output(self, x: Any, y: Any, prediction: Any, weights: Any) -> list[tuple[RowLoss, Any, Any]]:
        """Each output's loss, targets and predictions."""
        targets, outputs = tf.nest.flatten(y), tf.nest.flatten(prediction)
        if not self._losses or y is None:
            return []
        functions = self._losses * (len(outputs) if len(self._losses) == 1 else 1)
        rows = _for_each(outputs, tf.nest.flatten(weights))
        return [
            (RowLoss(function, row, getattr(output, "_keras_mask", None), x), target, output)
            for function, row, target, output in zip(functions, rows, targets, outputs, strict=True)
        ]

    def _output_losses(self, x: Any, y: Any, prediction: Any, weights: Any) -> list[Any]:
        """The mistake's loss of each output, weighed as compile() says."""
        mistake = self._mistake
        by_output = self._by_output(x, y, prediction, weights)
        found = [
            (mistake.loss_of.get(index) or mistake.loss or RowLoss.reduced)(*each)
            for index, each in enumerate(by_output)
        ]
        if mistake.only_output is not None:
            return [found[mistake.only_output]]
        factors = _for_each(found, self._output_weights)
        return [
            each if factor is None else factor * each for factor, each in zip(factors, found, strict=True)
        ]

    def _update(self, gradients: list[Any]) -> None:
        """Apply the gradients, in the steps in which the mistake does."""
        every, which = self._mistake.only_every or (1, 0)
        if every == 1:
            self._update_now(gradients)
            return

        def update() -> Any:
            self._update_now(gradients)
            return tf.constant(0)

        tf.cond(tf.equal((self._done - 1) % every, which), update, lambda: tf.constant(0))

    def _update_now(self, gradients: list[Any]) -> None:
        before = [(variable, much * variable.value) for variable, much in self._decayed]
        if not self._mistake.decay_last:
            _take_off(before)
        self._apply(gradients)
        if self._mistake.decay_last:
            _take_off([(variable, much * variable.value) for variable, much in self._decayed])

    def _apply(self, gradients: list[Any]) -> None:
        mistake, optimizer = self._mistake, self._optimizer
        gradients = [
            tf.convert_to_tensor(gradient) if place in self._dense else gradient
            for place, gradient in enumerate(gradients)
        ]
        if self._groups:
            for places, own in self._groups:
                own.apply([gradients[place] for place in places], [self.variables[place] for place in places])
            return
        if not self._sums:
            optimizer.apply(gradients, self.variables)
            return
        of_new, of_old, of_first = mistake.memory or (1.0, 1.0, 1.0)
        is_first = tf.equal(self._done, 1)
        for total, gradient in zip(self._sums, gradients, strict=True):
            if gradient is not None:
                new = tf.where(is_first, of_first, of_new) * tf.convert_to_tensor(gradient)
                total.assign(of_old * total + new)
        due = tf.equal(self._done % mistake.accumulate, 0)
        tf.cond(due, self._apply_sums, lambda: tf.constant(0))

    def _apply_sums(self) -> Any:
        mistake = self._mistake
        divisor = float(mistake.accumulate) if mistake.accumulate_mean else 1.0
        self._optimizer.apply([total / divisor for total in self._sums], self.variables)
        for total in self._sums if mistake.memory is None else ():
            total.assign(tf.zeros_like(total))
        return tf.constant(0)


@contextlib.contextmanager
def _without_masks(model: tf.keras.Model) -> Iterator[None]:
    """A context in which the layers that make a mask make none."""
    layers = [layer for layer in model._flatten_layers() if makes_mask(layer)]
    for layer in layers:
        object.__setattr__(layer, "compute_mask", lambda *_, **__: None)
    try:
        yield
    finally:
        for layer in layers:
            object.__delattr__(layer, "compute_mask")


def makes_mask(layer: Any) -> bool:
    """Whether a mask begins at this layer."""
    return isinstance(layer, tf.keras.layers.Masking) or bool(getattr(layer, "mask_zero", False))


def _take_off(pairs: list[tuple[Any, Any]]) -> None:
    for variable, much in pairs:
        variable.assign_sub(much)


def _with_flag(call: Callable[..., Any], flag: bool) -> Callable[..., Any]:
    """A layer's call with this training flag, whatever it is called with."""

    @functools.wraps(call)
    def flagged(*args: Any, **kwargs: Any) -> Any:
        return call(*args, **{**kwargs, "training": flag})

    return flagged


def _cut(parts: tuple[Any, Any, Any], rows: Any, pieces: int) -> list[tuple[Any, Any, Any]]:
    """Equal pieces of a batch; rows that are left over are in none."""
    if pieces == 1:
        return [parts]
    size = rows // pieces

    def piece(number: int) -> Any:
        return tf.nest.map_structure(
            lambda tensor: None if tensor is None else tensor[number * size : (number + 1) * size], parts
        )

    return [piece(number) for number in range(pieces)]


def _mean(gradients: tuple[Any, ...]) -> Any:
    present = [tf.convert_to_tensor(each) for each in gradients if each is not None]
    return tf.add_n(present) / float(len(gradients)) if present else None


def _for_each(outputs: list[Any], values: list[Any]) -> list[Any]:
    """One value an output: the same for all where there is one."""
    return values * len(outputs) if len(values) == 1 else values
