"""Another loss than fit()'s: each known one gives a gradient, of which the user's must be a multiple."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from loops.diagnose.algebra import plain
from loops.diagnose.mistake import ROW_ORDERS, Loss, Mistake, RowLoss
from loops.diagnose.observed import Gradients
from loops.diagnose.stages.elements import labels_of
from loops.diagnose.stages.setting import Setting, is_one

OTHER_LOSSES = (
    *("mse", "mae", "mape", "msle", "huber", "log_cosh", "poisson", "hinge", "squared_hinge"),
    *("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"),
    *("kl_divergence", "cosine_similarity", "binary_focal_crossentropy"),
)
DTYPES = ("float16", "bfloat16")
COMPILED = "use the very loss object that compile() gets"
GRID = np.linspace(0.0, 1.0, 21)  # of the search for a constant of the loss, before it is narrowed


@dataclass(frozen=True)
class Other:
    """Another loss: what it is called, and the loss of one output."""

    name: str
    detail: str
    loss: Loss
    advice: str = COMPILED
    general: bool = False  # named only where no other one explains the same


def explain_others(at: Setting) -> list[Mistake]:
    """The other losses of one output that explain the gradients."""
    found: list[Mistake] = []
    for output in range(at.outputs):
        kept = list(_tried(at, output, list(_others(at, output))))
        found += [mistake for mistake in kept if mistake]
        if not found:
            found += _mixed_targets(at, output)
        if not found:
            found += _searched(at, output)
        if found:
            break
    return found


def _tried(at: Setting, output: int, others: Sequence[Other]) -> Iterator[Mistake]:
    made: list[Other] = []
    failed: set[int] = set()

    def targets(outs: list[tuple[RowLoss, Any, Any]]) -> list[Any]:
        made.clear()
        values = []
        for number, other in enumerate(others):
            if number in failed:
                continue
            try:
                value = tf.reduce_mean(tf.cast(other.loss(*outs[output]), tf.float32))
            except Exception:  # of other shapes or types than this loss takes
                failed.add(number)
                continue
            made.append(other)
            values.append(value)
        rest = [each for index, each in enumerate(at.parts(outs)) if index != output]
        return [*values, *rest]

    columns = at.columns(targets)
    rest = columns[len(made) :]
    for other, column in zip(list(made), columns, strict=False):
        if not any(np.isfinite(array).all() and array.any() for array in column.values()):
            continue
        if any(not np.isfinite(array).all() for array in column.values()):
            continue
        found = at.solve([column, *rest])
        if found is None or not all(
            is_one(v, e) for v, e in zip(found.values[1:], found.errors[1:], strict=True)
        ):
            continue
        yield _mistake(other, output, 1.0 if is_one(found.values[0], found.errors[0]) else found.values[0])


def _mistake(other: Other, output: int, factor: float) -> Mistake:
    times = plain(factor)
    scaled = f", times {times:.4g}" if times != 1 else ""

    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        return times * tf.reduce_mean(tf.cast(other.loss(losses, y, p), tf.float32))

    return Mistake(
        f"{other.name}{scaled}",
        other.detail,
        loss_of={output: loss},
        advice=other.advice,
        general=other.general,
    )


def _others(at: Setting, output: int) -> Iterator[Other]:
    seen: dict[str, Any] = {}

    def look(outs: list[tuple[RowLoss, Any, Any]]) -> list[Any]:
        losses, y, _ = outs[output]
        seen.update(function=losses.function, integers=y.dtype.is_integer or y.dtype.is_bool)
        return []

    at.columns(look)
    function, integers = seen["function"], seen["integers"]
    config = dict(function.get_config()) if isinstance(function, tf.keras.losses.Loss) else {}
    yield from _activations(config)
    yield Other(
        "targets (n,) against predictions (n, 1)",
        "",
        _broadcast,
        "{y} = tf.reshape({y}, tf.shape(predictions)) before the loss",
    )
    for order, moved in ROW_ORDERS.items():
        yield Other(
            f"targets of other rows: {order}",
            "",
            _of_rows(moved),
            "shuffle x and y together, before they are batched",
        )
    for dtype in DTYPES:
        yield Other("loss or inputs cast to another dtype", f"loss in {dtype}", _in_dtype(dtype))
    yield Other(
        "loss or inputs cast to another dtype",
        "predictions through float16",
        lambda losses, y, p: losses.reduced(y, tf.cast(tf.cast(p, "float16"), p.dtype)),
    )
    name = "integer labels with the wrong loss" if integers else "another loss"
    advice = "use sparse_categorical_crossentropy for integer labels" if integers else COMPILED
    for other in OTHER_LOSSES:
        yield Other(f"{name}: {other}", "", _named_loss(other), advice, general=not integers)
        if "crossentropy" in other:
            told = f"{name}: {other} with from_logits=True"
            yield Other(told, "", _named_loss(other, from_logits=True), advice, general=not integers)
    yield Other(
        "arguments of the loss swapped",
        "",
        lambda losses, y, p: losses.unweighted(p, tf.cast(y, p.dtype)),
        "loss_fn(y_true, y_pred): the targets come first",
    )
    if integers:
        for detail, loss in (
            ("labels as weights in -Σ y log p", _labels_as_weights),
            ("labels broadcast over the classes", _labels_broadcast),
            ("labels reshaped to (n, 1) in a mean squared error", _labels_as_values),
        ):
            yield Other(name, detail, loss, advice)
    for key, value in (("label_smoothing", 0.0), ("delta", 1.0), ("gamma", 2.0), ("alpha", 0.25)):
        if config.get(key, value) != value:
            yield Other(f"another loss: {key} left out", f"{key}={value:g}", _with_config(**{key: value}))


def _activations(config: dict[str, Any]) -> Iterator[Other]:
    """Softmax and sigmoid taken once too often, or not at all."""
    if config.get("from_logits") is True:
        yield Other(
            "logits taken for probabilities",
            "",
            _with_config(from_logits=False),
            "use the loss with from_logits=True, or end the model with a softmax",
        )
        for activation in (tf.nn.softmax, tf.nn.sigmoid):
            yield Other(
                "softmax applied twice",
                f"{activation.__name__} before a loss of logits",
                _activated(activation),
                "hand the logits to the loss as the model gives them",
            )
        return
    advice = "the model ends with an activation: use the loss with from_logits=False on its outputs"
    for activation in (tf.nn.softmax, tf.nn.sigmoid):
        yield Other("softmax applied twice", activation.__name__, _activated(activation), advice)
    yield Other("softmax applied twice", "a loss of logits on probabilities", _logits_loss, advice)


def _mixed_targets(at: Setting, output: int) -> list[Mistake]:
    """Label smoothing by hand: the loss of the targets, and the loss of uniform ones."""

    def targets(outs: list[tuple[RowLoss, Any, Any]]) -> list[Any]:
        losses, y, p = outs[output]
        rest = [each for index, each in enumerate(at.parts(outs)) if index != output]
        return [losses.reduced(y, p), tf.reduce_mean(_smoothed(1.0)(losses, y, p)), *rest]

    try:
        columns = at.columns(targets)
    except Exception:  # the targets are no classes
        return []
    found = at.solve(columns)
    if found is None or not all(
        is_one(v, e) for v, e in zip(found.values[2:], found.errors[2:], strict=True)
    ):
        return []
    of_targets, of_uniform = found.values[:2]
    total = of_targets + of_uniform
    amount = plain(of_uniform / total, 1e-4)
    times = 1.0 if is_one(total, found.errors[0] + found.errors[1]) else plain(total)
    own = _own_smoothing(at, output)
    amount = plain(1 - (1 - amount) * (1 - own), 2e-4) if own else amount
    name = f"label smoothing of {amount:.4g}, fit() {own:.4g}" + (
        f", times {times:.4g}" if times != 1 else ""
    )
    loss = _smoothed(amount)
    return [
        Mistake(
            name,
            loss_of={output: lambda losses, y, p: times * tf.reduce_mean(loss(losses, y, p))},
            advice="keras.losses.CategoricalCrossentropy(label_smoothing=…), the same in both",
        )
    ]


def _own_smoothing(at: Setting, output: int) -> float:
    losses = tf.nest.flatten(at.scene.one_step.loss)
    loss = losses[output if output < len(losses) else 0]
    config = loss.get_config() if isinstance(loss, tf.keras.losses.Loss) else {}
    return float(config.get("label_smoothing") or 0.0)


def _smoothed(amount: float) -> Loss:
    """The values of the loss for targets of which so much is spread over all classes."""

    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        function = losses.function
        config = dict(function.get_config()) if isinstance(function, tf.keras.losses.Loss) else {}
        from_logits = bool(config.get("from_logits", False))
        binary = p.shape[-1] == 1 or "binary" in str(config.get("name", function)).lower()
        if binary:
            y = tf.reshape(tf.cast(y, p.dtype), tf.shape(p))
            own = tf.keras.losses.BinaryCrossentropy(from_logits, label_smoothing=amount, reduction="none")
            return RowLoss(own, losses.weights)(y, p)
        classes = p.shape[-1]
        if y.shape.rank != p.shape.rank or y.shape[-1] != classes:
            y = tf.one_hot(tf.cast(labels_of(p[..., 0], y, p), tf.int32), classes)
        own = tf.keras.losses.CategoricalCrossentropy(from_logits, label_smoothing=amount, reduction="none")
        return RowLoss(own, losses.weights)(tf.cast(y, p.dtype), p)

    return loss


def _searched(at: Setting, output: int) -> list[Mistake]:
    """Losses with a constant: the one is searched for whose gradient leaves the least."""
    for name, key, make, low, high in (
        ("another loss: huber", "delta", _huber, 1e-3, 1e2),
        ("another loss: focal cross-entropy", "gamma", _focal, 1e-2, 1e1),
        ("logits divided by a temperature", "temperature", _temperature, 1e-2, 1e2),
    ):
        value = _search(at, output, make, np.log(low), np.log(high))
        if value is None:
            continue
        found = list(
            _tried(
                at,
                output,
                [
                    Other(
                        f"{name}, {key}={plain(value, 2e-3 * value):.4g}",
                        "",
                        make(plain(value, 2e-3 * value)),
                    )
                ],
            )
        )
        if found:
            return found
    return []


def _search(at: Setting, output: int, make: Callable[[float], Loss], low: float, high: float) -> float | None:
    """The constant whose gradient comes nearest to a multiple of the user's, on grids ever narrower."""
    best = None
    for _ in range(4):
        points = low + GRID * (high - low)
        lefts = _lefts(at, output, [make(float(np.exp(point))) for point in points])
        if lefts is None or not np.isfinite(lefts).any():
            return None
        place = int(np.nanargmin(lefts))
        best = float(np.exp(points[place]))
        low, high = points[max(0, place - 1)], points[min(len(points) - 1, place + 1)]
        if lefts[place] > 0.5:  # of the gradient: nowhere near
            return None
    return best


def _lefts(at: Setting, output: int, losses_of: Sequence[Loss]) -> np.ndarray | None:
    def targets(outs: list[tuple[RowLoss, Any, Any]]) -> list[Any]:
        rest = [each for index, each in enumerate(at.parts(outs)) if index != output]
        return [*(tf.reduce_mean(loss(*outs[output])) for loss in losses_of), *rest]

    try:
        columns = at.columns(targets)
    except Exception:  # of other shapes or types than this loss takes
        return None
    rest = columns[len(losses_of) :]
    target = _flat(at.target, at.target) - sum(_flat(each, at.target) for each in rest)
    size = float(np.linalg.norm(target))
    found = []
    for column in columns[: len(losses_of)]:
        flat = _flat(column, at.target)
        square = float(flat @ flat)
        found.append(
            np.linalg.norm(target - flat * (flat @ target) / square) / size if square > 0 else np.nan
        )
    return np.array(found)


def _flat(gradients: Gradients, like: Gradients) -> np.ndarray:
    return np.concatenate(
        [np.asarray(gradients.get(i, np.zeros_like(a)), np.float64).ravel() for i, a in like.items()]
    )


def _huber(delta: float) -> Loss:
    return lambda losses, y, p: tf.keras.losses.huber(tf.cast(y, p.dtype), p, delta=delta)


def _focal(gamma: float) -> Loss:
    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        config = (
            dict(losses.function.get_config()) if isinstance(losses.function, tf.keras.losses.Loss) else {}
        )
        logits = bool(config.get("from_logits", False))
        if p.shape[-1] == 1:
            y = tf.reshape(tf.cast(y, p.dtype), tf.shape(p))
            chance = tf.nn.sigmoid(p) if logits else p
            chance = tf.where(y > 0.5, chance, 1 - chance)[..., 0]
        else:
            chances = tf.nn.softmax(p) if logits else p
            if y.shape.rank != p.shape.rank or y.shape[-1] != p.shape[-1]:
                y = tf.one_hot(tf.cast(labels_of(p[..., 0], y, p), tf.int32), p.shape[-1])
            chance = tf.reduce_sum(chances * tf.cast(y, p.dtype), axis=-1)
        chance = tf.clip_by_value(chance, 1e-7, 1.0)
        return -((1 - chance) ** gamma) * tf.math.log(chance)

    return loss


def _temperature(value: float) -> Loss:
    return lambda losses, y, p: losses.reduced(y, p / value)


def _named_loss(name: str, **changes: Any) -> Loss:
    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        function = tf.keras.losses.get(name)
        target = y if "sparse" in name else tf.cast(y, p.dtype)
        if isinstance(function, tf.keras.losses.Loss):
            function = function.call
        return RowLoss(lambda one, two: function(one, two, **changes), losses.weights)(target, p)

    return loss


def _with_config(**changes: Any) -> Loss:
    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        config = losses.function.get_config()
        changed = {key: changes[key] for key in changes if key in config}
        return type(losses.function).from_config(config | changed)(y, p, sample_weight=losses.weights)

    return loss


def _activated(activation: Callable[[Any], Any]) -> Loss:
    # The identity hides the softmax from Keras, which would take the logits behind it
    return lambda losses, y, p: losses.reduced(y, tf.identity(activation(p)))


def _broadcast(losses: RowLoss, y: Any, p: Any) -> Any:
    """The mean over the (n, n) values that broadcasting (n,) against (n, 1) gives."""
    if p.shape.rank != 2 or p.shape[1] != 1:
        raise ValueError("only for predictions of shape (n, 1)")
    rows = tf.reshape(tf.cast(y, p.dtype), (1, -1))
    shape = tf.stack([tf.shape(p)[0], tf.shape(rows)[1]])
    return losses(tf.broadcast_to(rows, shape), tf.broadcast_to(p, shape))


def _logits_loss(losses: RowLoss, y: Any, p: Any) -> Any:
    if p.shape[-1] == 1:
        return tf.nn.sigmoid_cross_entropy_with_logits(tf.reshape(tf.cast(y, p.dtype), tf.shape(p)), p)
    if y.dtype.is_integer:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels_of(p[..., 0], y, p), p)
    return tf.nn.softmax_cross_entropy_with_logits(y, p)


def _of_rows(moved: Callable[[Any], Any]) -> Loss:
    return lambda losses, y, p: losses.reduced(moved(y), p)


def _in_dtype(dtype: str) -> Loss:
    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        return losses(tf.cast(y, dtype) if y.dtype.is_floating else y, tf.cast(p, dtype))

    return loss


def _labels_as_weights(losses: RowLoss, y: Any, p: Any) -> Any:
    return -tf.reduce_sum(tf.reshape(tf.cast(y, p.dtype), (-1, 1)) * tf.math.log(p), axis=-1)


def _labels_broadcast(losses: RowLoss, y: Any, p: Any) -> Any:
    targets = tf.broadcast_to(tf.reshape(tf.cast(y, p.dtype), (-1, 1)), tf.shape(p))
    return tf.keras.losses.categorical_crossentropy(targets, p)


def _labels_as_values(losses: RowLoss, y: Any, p: Any) -> Any:
    return tf.square(tf.reshape(tf.cast(y, p.dtype), (-1, 1)) - p)
