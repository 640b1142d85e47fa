"""The catalogue of known mistakes: what people get wrong in a step of their own, with the mended code."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from loops.case.batches import Batch, batch_size
from loops.diagnose.components import Weighing, weighed_otherwise
from loops.diagnose.mistake import Gradients, Loss, Mistake, RowLoss
from loops.diagnose.optimizers import EXCLUSIONS, copy_of, without_exclusions
from loops.diagnose.scale import SAME, Scales, Seen, plain
from loops.parity.differences import norm

EPSILONS = (1e-10, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
LEARNING_RATES = tuple(m * 10.0**e for e in range(-5, 1) for m in (1, 2, 3, 5))
PIECES = (2, 3, 4, 5, 8)
ACCUMULATIONS = (2, 3, 4, 5, 8, 10, 16)
OTHER_LOSSES = (
    *("mse", "mae", "mape", "msle", "huber", "log_cosh", "poisson", "hinge", "squared_hinge"),
    *("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"),
    *("kl_divergence", "cosine_similarity"),
)
OTHER_OPTIMIZERS = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Nadam", "Adamax")
DTYPES = ("float16", "bfloat16", "float64")
# Where a more specific mistake gives the same trajectory, these are not named
GENERAL = ("another loss", "another optimizer", "other optimizer settings")


@dataclass(frozen=True)
class Facts:
    """What is known of a case before any replay. It decides which mistakes are worth a try."""

    model: tf.keras.Model
    optimizer: Any
    loss: Any
    epoch: list[Batch]
    changed: frozenset[int]  # indices into model.weights that the user's step changed
    step_scale: float | None  # the user's first step over fit()'s, where the two point the same way
    first: int  # the step that differs first, from 1
    rounding: bool  # whether the departure is within rounding
    waits: bool  # whether the user's first step changes no weight
    compile_args: Mapping[str, Any]
    fit_args: Mapping[str, Any]
    seen: Seen  # of gradients
    weighing: Weighing | None  # of the parts of the loss, where it explains the gradients

    @property
    def first_loss(self) -> Any:
        """The loss, or the first output's where there are several."""
        return tf.nest.flatten(self.loss)[0]

    @property
    def partial(self) -> bool:
        """Whether a batch is smaller than the first."""
        return any(batch_size(batch) != batch_size(self.epoch[0]) for batch in self.epoch)


def catalogue(facts: Facts) -> Iterator[Mistake]:
    """Every mistake that could show on this case."""
    first = facts.seen.first
    yield from _settings(facts)
    if first is None or not first.rounding or facts.rounding:  # else forward pass and loss are right
        yield from _forward(facts)
        if facts.epoch[0].y is not None:
            yield from _loss(facts)
        yield from _weights(facts)
        yield from _scales(facts)
    if len(facts.model.variables) > len(facts.model.weights):  # it draws random numbers
        yield Mistake(
            "dropout seeds differ",
            "one more training pass a step, which draws from the model's generators",
            extra_passes=1,
            advice="one call model(x, training=True) a step",
        )
    yield from _gradients(facts)
    yield from _variables(facts)
    if first is None or first.none:  # else it is not the update that differs first
        yield from _optimizer(facts)
    yield from _data(facts)


def _settings(facts: Facts) -> Iterator[Mistake]:
    """Each argument of compile() and fit() left out: the replay is fit() itself without it."""
    if facts.fit_args.get("class_weight"):
        yield Mistake(
            "class_weight of fit() not applied",
            without={"class_weight": None},
            advice="loss = tf.reduce_mean(tf.gather(weight_of_class, classes) * per_example_loss)",
        )
    if facts.compile_args.get("loss_weights"):
        yield Mistake(
            "loss_weights of compile() not applied",
            f"fit() has {facts.compile_args['loss_weights']}",
            without={"loss_weights": None},
            advice="loss = weight_a * loss_a + weight_b * loss_b, with the weights of compile()",
        )
    if facts.fit_args.get("initial_epoch"):
        yield Mistake(
            "initial_epoch of fit() not applied",
            without={"initial_epoch": 0},
            advice="count epochs from initial_epoch where a schedule or callback asks for the epoch",
        )
    yield from _callbacks(facts)
    if any(batch.sample_weight is not None for batch in facts.epoch):
        yield Mistake(
            "sample_weight not applied",
            without={"sample_weight": None},
            advice="loss = tf.reduce_mean(sample_weight * per_example_loss)",
        )
    if hasattr(facts.optimizer, "inner_optimizer") or facts.model.dtype_policy.name == "mixed_float16":
        yield _loss_scale_missing()


def _loss_scale_missing() -> Mistake:
    return Mistake(
        "loss scale missing",
        "the optimizer divides the gradients by its loss scale, by which nobody multiplied the loss",
        scale_loss=False,
        advice="gradients = tape.gradient(optimizer.scale_loss(loss), model.trainable_variables)",
    )


def _callbacks(facts: Facts) -> Iterator[Mistake]:
    callbacks = facts.fit_args.get("callbacks") or []
    for index, callback in enumerate(callbacks):
        kind = type(callback).__name__
        yield Mistake(
            f"callback of fit() not applied: {kind}",
            without={"callbacks": _Without(index)},
            advice=f"do in on_epoch_begin or on_epoch_end what {kind} does "
            "(optimizer.learning_rate.assign(...), for a schedule of the learning rate)",
        )
    if len(callbacks) > 1:
        yield Mistake(
            "callbacks of fit() not applied",
            without={"callbacks": []},
            advice="do in on_epoch_begin or on_epoch_end what they do",
        )


@dataclass(frozen=True)
class _Without:
    """Callbacks of the replay's own execution, less the one of this index."""

    index: int

    def __call__(self, callbacks: list[Any]) -> list[Any]:
        return [each for index, each in enumerate(callbacks) if index != self.index]


def _weights(facts: Facts) -> Iterator[Mistake]:
    """What is done wrongly with the weights of rows, from sample_weight or class_weight."""
    if facts.fit_args.get("class_weight") or any(batch.sample_weight is not None for batch in facts.epoch):
        yield Mistake(
            "divided by the sum of the sample weights, not by the rows",
            loss=lambda losses, y, p: tf.reduce_sum(losses(y, p)) / tf.reduce_sum(losses.weights_of(y, p)),
            advice="loss = tf.reduce_mean(sample_weight * per_example_loss)",
        )


def _scales(facts: Facts) -> Iterator[Mistake]:
    """A scale of the gradients that was read off them."""
    seen = facts.seen
    factor, per_row = (each and plain(each) for each in (seen.factor(), seen.factor_per_row()))
    advice = "loss = loss_fn(y, predictions): Keras's own mean over all rows (and pixels, and time steps)"
    if factor is not None and abs(factor - 1) > SAME:
        yield Mistake(
            f"loss or gradients scaled by {factor:.4g}: a sum for a mean, another divisor, or a factor",
            gradients=lambda gradients, rows: [_times(factor, each) for each in gradients],
            advice=advice,
            scaled=True,
        )
    elif per_row is not None:
        yield Mistake(
            f"loss or gradients scaled by {per_row:.4g} · rows: a sum for a mean, or another divisor",
            gradients=lambda gradients, rows: [
                _times(per_row * tf.cast(rows, tf.float32), each) for each in gradients
            ],
            advice=advice,
            scaled=True,
        )
    first = seen.first
    if facts.weighing and first:
        names = _output_names(facts)
        other = weighed_otherwise(facts.weighing, names, first.tolerance)
        if other:
            yield other
    if first and first.explain and first.one is None:
        yield _scaled_by_variable(facts.model, first)


def _output_names(facts: Facts) -> list[str]:
    """The outputs' names in the order of the flattened targets."""
    y = facts.epoch[0].y
    if y is None or facts.loss is None:
        return []
    if isinstance(y, dict):
        return [f"output {name}" for name in sorted(y)]
    return [f"output {number}" for number, _ in enumerate(tf.nest.flatten(y), start=1)]


def _scaled_by_variable(model: tf.keras.Model, scales: Scales) -> Mistake:
    """A scale for each variable, in the order of model.trainable_variables; 1 where none could be seen."""
    by_index = {name.index: scale for name, scale in scales.by_variable.items()}
    indices = {id(variable): index for index, variable in enumerate(model.variables)}
    factors = [plain(by_index.get(indices[id(variable)], 1.0)) for variable in model.trainable_variables]
    odd = {name.path: scale for name, scale in scales.by_variable.items() if abs(scale - 1) > SAME}
    values = sorted({f"{scale:.3g}" for scale in odd.values()})
    return Mistake(
        f"gradients of some variables scaled, by {', '.join(values[:3])}",
        ", ".join(odd),
        gradients=lambda gradients, rows: list(map(_times, factors, gradients)),
        advice="leave the gradients as the tape gives them; another rate by layer needs another optimizer",
        scaled=True,
    )


def _times(factor: Any, gradient: Any) -> Any:
    if gradient is None:
        return None
    if isinstance(gradient, tf.IndexedSlices):
        values = gradient.values * tf.cast(factor, gradient.dtype)
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return gradient * tf.cast(factor, gradient.dtype)


def _forward(facts: Facts) -> Iterator[Mistake]:
    yield Mistake(
        "mask ignored: padded steps count in the loss",
        mask=False,
        advice="hand the model's own output to the Keras loss, which finds its mask there",
    )
    yield Mistake("training=True missing", training=False, advice="predictions = model(x, training=True)")
    if facts.model.losses and facts.loss is not None:
        yield Mistake(
            "model.losses left out",
            subtle=True,
            regularisers=False,
            advice="loss = loss_fn(y, predictions) + sum(model.losses)",
        )
    for dtype in DTYPES[:2]:
        yield Mistake(
            "loss or inputs cast to another dtype",
            f"inputs through {dtype}",
            inputs=_through(dtype),
            advice="pass the inputs to the model in the dtype that batches() gives",
        )
    yield Mistake(
        "loss or inputs cast to another dtype",
        "predictions through float16",
        predictions=_through("float16"),
        advice="compute the loss on the model's own float32 outputs",
    )


def _loss(facts: Facts) -> Iterator[Mistake]:
    first = batch_size(facts.epoch[0])
    yield Mistake(
        "sum for mean",
        loss=lambda losses, y, p: tf.reduce_sum(losses(y, p)),
        advice="loss = tf.reduce_mean(per_example_loss)",
    )
    if facts.partial:
        yield Mistake(
            "wrong divisor on the partial batch",
            f"sum / {first}",
            loss=lambda losses, y, p: tf.reduce_sum(losses(y, p)) / first,
            advice="loss = tf.reduce_mean(per_example_loss), which divides by the batch's own size",
        )
    yield from _constant_division(first, facts.partial)
    yield from _probabilities(facts)
    yield Mistake(
        "targets (n,) against predictions (n, 1)",
        loss=_broadcast_loss,
        advice="y = tf.reshape(y, tf.shape(predictions)) before the loss",
    )
    for dtype in DTYPES:
        yield Mistake(
            "loss or inputs cast to another dtype",
            f"loss in {dtype}",
            loss=_loss_in(dtype),
            rounding=dtype == "float64",
            advice="compute the loss on the model's own float32 outputs",
        )
    yield from _other_losses(facts)


def _constant_division(first: int, partial: bool) -> Iterator[Mistake]:
    """Mistakes that change the rounding alone: TensorFlow's graph optimizer turns x / 30 into x · (1/30)."""

    def count_of(p: Any) -> float:
        """The batch's own size, or `first` where the graph leaves it open and all batches have one size."""
        if p.shape[0] is None and partial:
            raise ValueError("dividing by a constant would be the wrong divisor")
        return float(p.shape[0] or first)

    def total(losses: RowLoss, y: Any, p: Any) -> Any:
        return tf.reduce_sum(losses(y, p))

    def divided(gradients: list[Any], rows: Any) -> list[Any]:
        return [None if each is None else each / float(first) for each in gradients]

    variants: dict[str, tuple[Loss, Gradients | None]] = {
        "sum / constant": (lambda losses, y, p: total(losses, y, p) / count_of(p), None),
        "sum · (1 / constant)": (lambda losses, y, p: total(losses, y, p) * (1 / count_of(p)), None),
    }
    if not partial:
        variants["gradients of the sum / constant"] = (total, divided)
    for detail, (loss, gradients) in variants.items():
        yield Mistake(
            "constant division turned into a product",
            detail,
            loss=loss,
            gradients=gradients,
            rounding=True,
            advice="loss = tf.reduce_mean(per_example_loss), which divides in the kernel",
        )


def _probabilities(facts: Facts) -> Iterator[Mistake]:
    config = _config(facts.first_loss)
    if config.get("from_logits") is True:
        yield Mistake(
            "logits taken for probabilities",
            loss=_with_config(from_logits=False),
            advice="use the loss with from_logits=True, or end the model with a softmax",
        )
    else:
        advice = "the model ends with an activation: use the loss with from_logits=False on its outputs"
        for activation in (tf.nn.softmax, tf.nn.sigmoid):
            yield Mistake("softmax applied twice", activation.__name__, predictions=activation, advice=advice)
        yield Mistake(
            "softmax applied twice",
            "tf.nn.softmax_cross_entropy_with_logits on probabilities",
            loss=_logits_loss,
            advice=advice,
        )
    for detail, predictions in (
        ("tf.identity", tf.identity),
        ("clipped", lambda p: tf.clip_by_value(p, 1e-7, 1 - 1e-7)),
    ):
        yield Mistake(
            "logits behind the softmax lost",
            detail,
            predictions=predictions,
            rounding=True,
            advice="hand the model's own output to the Keras loss, which then works on its logits",
        )
    for detail, floor in (("-Σ y log p", 0.0), ("-Σ y log(p + 1e-7)", 1e-7), ("-Σ y log(p + 1e-8)", 1e-8)):
        yield Mistake(
            "logits behind the softmax lost",
            detail,
            loss=_hand_written_entropy(floor),
            rounding=True,
            advice="use keras.losses.CategoricalCrossentropy() on the model's own output",
        )


def _other_losses(facts: Facts) -> Iterator[Mistake]:
    y = tf.nest.flatten(facts.epoch[0][1])[0]
    integers = y.dtype.is_integer or y.dtype.is_bool
    name = "integer labels with the wrong loss" if integers else "another loss"
    advice = (
        "use sparse_categorical_crossentropy for integer labels" if integers else "use the loss of compile()"
    )
    for other in OTHER_LOSSES:
        yield Mistake(name, other, loss=_other_loss(other), advice=advice)
    yield Mistake(
        "arguments of the loss swapped",
        loss=lambda losses, y, p: tf.reduce_mean(losses(p, tf.cast(y, p.dtype))),
        advice="loss_fn(y_true, y_pred): the targets come first",
    )
    outputs = len(tf.nest.flatten(facts.epoch[0][1]))
    for index in range(outputs if outputs > 1 else 0):
        yield Mistake(
            "an output's loss left out",
            f"only output {index + 1} counts",
            loss=lambda losses, y, p: tf.reduce_mean(losses(y, p)),
            only_output=index,
            advice="loss = loss_a(y_a, a) + loss_b(y_b, b)",
        )
    if integers:
        for detail, loss in (
            ("labels as weights in -Σ y log p", _labels_as_weights),
            ("labels broadcast over the classes", _labels_broadcast),
            ("labels reshaped to (n, 1) in a mean squared error", _labels_as_values),
        ):
            yield Mistake(name, detail, loss=loss, advice=advice)
    for key, value in (("label_smoothing", 0.0), ("delta", 1.0)):
        if _config(facts.first_loss).get(key, value) != value:
            yield Mistake(
                "another loss",
                f"{key} left out",
                loss=_with_config(**{key: value}),
                advice="use the very loss object that compile() gets",
            )


def _gradients(facts: Facts) -> Iterator[Mistake]:
    clips = {"global norm": _clip_global, "norm": _clip_each, "value": _clip_entries}
    for detail, value in _thresholds(facts.seen).items():
        for threshold in dict.fromkeys((float(f"{value:.3g}"), float(f"{value:.5g}"))):
            yield Mistake(
                "gradient clipping extra",
                f"{detail} {threshold:g}",
                gradients=clips[detail](threshold),
                advice="leave clipping to the optimizer: keras.optimizers.Adam(..., global_clipnorm=...)",
            )
    for steps in ACCUMULATIONS if facts.waits else ():
        for mean in (True, False):
            yield Mistake(
                "gradients accumulated across steps",
                f"applied every {steps} steps as their {'mean' if mean else 'sum'}",
                accumulate=steps,
                accumulate_mean=mean,
                advice="optimizer.apply_gradients(zip(gradients, model.trainable_variables)) in every step",
            )
    if facts.first == 2:  # the first step's sums are right
        yield Mistake(
            "gradients accumulated across steps",
            "never cleared",
            never_cleared=True,
            advice="set the accumulators to zero after each update",
        )
    yield from _updates(facts)


def _updates(facts: Facts) -> Iterator[Mistake]:
    """More than one update a batch, and one update of several pieces of it."""
    once = "one apply_gradients for each batch"
    yield Mistake("updated twice a batch", "each time with new gradients", repeats=2, advice=once)
    yield Mistake("updated twice a batch", "with the same gradients", applies=2, advice=once)
    if len(tf.nest.flatten(facts.epoch[0].y)) > 1:
        yield Mistake(
            "an update for each output's loss, not one for their sum",
            per_output=True,
            advice="add up the losses, take the gradients of the sum, and apply them once",
        )
    if any(hasattr(layer, "moving_mean") for layer in facts.model._flatten_layers()):
        for pieces in PIECES:
            yield Mistake(
                "batch cut into micro-batches: BatchNormalization sees the pieces",
                f"{pieces} pieces, their gradients averaged",
                pieces=pieces,
                advice="pass the whole batch through the model at once: its statistics are the batch's",
            )


def _thresholds(seen: Seen) -> dict[str, float]:
    """By kind of clipping, the threshold that would leave the gradients that the user's optimizer got."""
    arrays = [array.astype(np.float64) for array in seen.user.values()]
    if not arrays or not any(array.any() for array in arrays):
        return {}
    return {
        "global norm": norm(arrays),
        "norm": max(norm([array]) for array in arrays),
        "value": max(float(np.abs(array).max()) for array in arrays),
    }


def _variables(facts: Facts) -> Iterator[Mistake]:
    weights = facts.model.weights
    trainable = {id(variable) for variable in facts.model.trainable_variables}
    changed = [weights[index] for index in sorted(facts.changed)]
    left = [
        variable for variable in facts.model.trainable_variables if all(variable is not c for c in changed)
    ]
    if left and changed:
        positions = [
            i for i, variable in enumerate(weights) if id(variable) in trainable and i in facts.changed
        ]
        yield Mistake(
            "only some variables updated",
            f"left as they were: {', '.join(variable.path for variable in left)}",
            variables=lambda model: [model.weights[i] for i in positions],
            advice="gradients and update over model.trainable_variables, all of them",
        )
    if len(trainable) < len(weights):
        yield Mistake(
            "non-trainable or frozen variables updated",
            "all of model.weights",
            variables=lambda model: [weight for weight in model.weights if weight.dtype == "float32"],
            advice="use model.trainable_variables, not model.weights or model.variables",
        )
        yield Mistake(
            "non-trainable or frozen variables updated",
            "frozen layers made trainable",
            unfreeze=True,
            advice="leave layer.trainable as make_model() sets it, before the optimizer is built",
        )


def _optimizer(facts: Facts) -> Iterator[Mistake]:
    config = facts.optimizer.get_config()
    yield from _made_anew(facts)
    advice = "use the very optimizer that compile() gets"
    if "epsilon" in config:
        for value in EPSILONS:
            if value != config["epsilon"]:
                yield _other_setting("other epsilon", "epsilon", value, advice)
    rate = config.get("learning_rate")  # an optimizer around another one has none
    if isinstance(rate, float):
        for value in _learning_rates(facts, rate):
            yield _other_setting("other learning rate", "learning_rate", value, advice)
    elif rate is not None:
        first = float(facts.optimizer.learning_rate)
        yield Mistake(
            "schedule dropped",
            f"learning rate stays {first:g}",
            subtle=True,
            optimizer=lambda o: copy_of(o, learning_rate=first),
            advice="hand the schedule itself to the optimizer",
        )
    yield from _left_out(facts.optimizer, config, advice)
    if any(variable.constraint is not None for variable in facts.model.variables):
        yield Mistake(
            "constraints left out",
            subtle=True,
            constraints=False,
            advice="update through the optimizer's apply_gradients, which applies the constraints",
        )
    others: dict[str, tuple[Any, ...]] = {
        "beta_1": (0.0, 0.5, 0.8, 0.95, 0.99),
        "beta_2": (0.9, 0.95, 0.98, 0.99, 0.9999),
        "momentum": (0.0, 0.5, 0.8, 0.9, 0.99),
        "rho": (0.8, 0.95, 0.99),
        "amsgrad": (True, False),
        "nesterov": (True, False),
    }
    for key, values in others.items():
        for value in values:
            if key in config and config[key] != value:
                yield _other_setting("other optimizer settings", key, value, advice)
    for name in OTHER_OPTIMIZERS:
        if name != type(facts.optimizer).__name__:
            yield Mistake(
                "another optimizer",
                name,
                optimizer=_named_optimizer(name),
                advice=advice,
            )


def _made_anew(facts: Facts) -> Iterator[Mistake]:
    yield Mistake(
        "optimizer created anew each step",
        fresh_every=1,
        advice="create the optimizer once, outside train_step",
    )
    if facts.first > len(facts.epoch):
        yield Mistake(
            "optimizer created anew each epoch",
            "its moments and its count of steps are lost there",
            fresh_every=len(facts.epoch),
            advice="create the optimizer once, outside the loop over epochs",
        )


def _left_out(optimizer: Any, config: dict[str, Any], advice: str) -> Iterator[Mistake]:
    for key in ("clipnorm", "clipvalue", "global_clipnorm"):
        if config.get(key) is not None:
            yield _other_setting("gradient clipping missing", key, None, advice)
    if config.get("weight_decay"):
        none = 0.0 if type(optimizer).__name__ == "AdamW" else None  # AdamW takes no None
        yield _other_setting("weight decay dropped", "weight_decay", none, advice, subtle=True)
    if any(getattr(optimizer, name, None) for name in EXCLUSIONS):
        yield Mistake(
            "weight decay on variables that are excluded from it",
            "as if exclude_from_weight_decay() had not been called",
            subtle=True,
            optimizer=without_exclusions,
            advice="optimizer.exclude_from_weight_decay(var_names=[...]), or leave the same ones out by hand",
        )


def _data(facts: Facts) -> Iterator[Mistake]:
    first = batch_size(facts.epoch[0])
    if facts.partial:
        yield Mistake(
            "dropped last batch",
            only_rows=first,
            advice="train on every batch: no drop_remainder=True, no early return",
        )
    for factor, detail in ((1 / 255, "x / 255"), (255.0, "x · 255")):
        yield Mistake(
            "inputs scaled again",
            detail,
            inputs=_scaled_by(factor),
            advice="scale in batches() or in the model, not in the step",
        )


def _learning_rates(facts: Facts, own: float) -> list[float]:
    estimated = [own * facts.step_scale] if facts.step_scale else []
    rounded = [float(f"{rate:.{digits}g}") for rate in estimated for digits in (2, 3)]
    likely = [rate for rate in LEARNING_RATES if not estimated or 0.5 < rate / estimated[0] < 2]
    rates = dict.fromkeys([*rounded, *likely, *estimated])
    return [rate for rate in rates if not math.isclose(rate, own, rel_tol=1e-6)]


def _other_setting(name: str, key: str, value: Any, advice: str, *, subtle: bool = False) -> Mistake:
    return Mistake(
        name, f"{key}={value}", optimizer=lambda o: copy_of(o, **{key: value}), advice=advice, subtle=subtle
    )


def _config(loss: Any) -> dict[str, Any]:
    return dict(loss.get_config()) if isinstance(loss, tf.keras.losses.Loss) else {}


def _with_config(**changes: Any) -> Loss:
    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        config = losses.function.get_config()
        return type(losses.function).from_config(
            config | {key: changes[key] for key in changes if key in config}
        )(y, p)

    return loss


def _through(dtype: str) -> Callable[[Any], Any]:
    return lambda x: tf.cast(tf.cast(x, dtype), x.dtype) if x.dtype.is_floating else x


def _broadcast_loss(losses: RowLoss, y: Any, p: Any) -> Any:
    """The mean over the (n, n) values that broadcasting (n,) against (n, 1) gives."""
    if p.shape.rank != 2 or p.shape[1] != 1:
        raise ValueError("only for predictions of shape (n, 1)")
    rows = tf.reshape(tf.cast(y, p.dtype), (1, -1))
    shape = tf.stack([tf.shape(p)[0], tf.shape(rows)[1]])
    return tf.reduce_mean(losses(tf.broadcast_to(rows, shape), tf.broadcast_to(p, shape)))


def _logits_loss(losses: RowLoss, y: Any, p: Any) -> Any:
    if y.dtype.is_integer:
        rows = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.reshape(y, [-1]), p)
    elif p.shape[-1] == 1:
        rows = tf.nn.sigmoid_cross_entropy_with_logits(tf.reshape(tf.cast(y, p.dtype), tf.shape(p)), p)
    else:
        rows = tf.nn.softmax_cross_entropy_with_logits(y, p)
    return tf.reduce_mean(rows)


def _hand_written_entropy(floor: float) -> Loss:
    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        targets = tf.one_hot(tf.reshape(y, [-1]), p.shape[-1]) if y.dtype.is_integer else tf.cast(y, p.dtype)
        return tf.reduce_mean(-tf.reduce_sum(targets * tf.math.log(p + floor), axis=-1))

    return loss


def _other_loss(name: str) -> Loss:
    return lambda losses, y, p: tf.reduce_mean(tf.keras.losses.get(name)(y, p))


def _loss_in(dtype: str) -> Loss:
    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        rows = losses(tf.cast(y, dtype) if y.dtype.is_floating else y, tf.cast(p, dtype))
        return tf.cast(tf.reduce_mean(rows), tf.float32)

    return loss


def _clip_global(value: float) -> Gradients:
    return lambda gradients, rows: list(tf.clip_by_global_norm(gradients, value)[0])


def _clip_each(value: float) -> Gradients:
    return lambda gradients, rows: [
        None if each is None else tf.clip_by_norm(each, value) for each in gradients
    ]


def _clip_entries(value: float) -> Gradients:
    return lambda gradients, rows: [
        None if each is None else tf.clip_by_value(each, -value, value) for each in gradients
    ]


def _scaled_by(factor: float) -> Callable[[Any], Any]:
    return lambda x: x * factor if x.dtype.is_floating else x


def _named_optimizer(name: str) -> Callable[[Any], Any]:
    return lambda optimizer: getattr(tf.keras.optimizers, name)(float(optimizer.learning_rate))


def _labels_as_weights(losses: RowLoss, y: Any, p: Any) -> Any:
    return tf.reduce_mean(-tf.reduce_sum(tf.reshape(tf.cast(y, p.dtype), (-1, 1)) * tf.math.log(p), axis=-1))


def _labels_broadcast(losses: RowLoss, y: Any, p: Any) -> Any:
    targets = tf.broadcast_to(tf.reshape(tf.cast(y, p.dtype), (-1, 1)), tf.shape(p))
    return tf.reduce_mean(tf.keras.losses.categorical_crossentropy(targets, p))


def _labels_as_values(losses: RowLoss, y: Any, p: Any) -> Any:
    return tf.reduce_mean(tf.square(tf.reshape(tf.cast(y, p.dtype), (-1, 1)) - p))
