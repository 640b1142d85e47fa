"""Another loss than fit()'s: each known one gives a gradient, of which the user's must be a multiple."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from loops.diagnose.algebra import plain
from loops.diagnose.mistake import ROW_ORDERS, Loss, Mistake, RowLoss
from loops.diagnose.observed import Gradients
from loops.diagnose.stages.alternatives import (
    activated,
    broadcast,
    focal,
    huber,
    in_dtype,
    labels_as_values,
    labels_as_weights,
    labels_broadcast,
    logits_loss,
    named_loss,
    of_rows,
    smoothed,
    temperature,
    with_config,
)
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
        broadcast,
        "{y} = tf.reshape({y}, tf.shape({predictions})) before the loss",
    )
    for order, moved in ROW_ORDERS.items():
        yield Other(
            f"targets of other rows: {order}",
            "",
            of_rows(moved),
            "shuffle x and y together, before they are batched",
        )
    for dtype in DTYPES:
        yield Other("loss or inputs cast to another dtype", f"loss in {dtype}", in_dtype(dtype))
    yield Other(
        "loss or inputs cast to another dtype",
        "predictions through float16",
        lambda losses, y, p: losses.reduced(y, tf.cast(tf.cast(p, "float16"), p.dtype)),
    )
    name = "integer labels with the wrong loss" if integers else "another loss"
    advice = "use sparse_categorical_crossentropy for integer labels" if integers else COMPILED
    for other in OTHER_LOSSES:
        yield Other(f"{name}: {other}", "", named_loss(other), advice, general=not integers)
        if "crossentropy" in other:
            told = f"{name}: {other} with from_logits=True"
            yield Other(told, "", named_loss(other, from_logits=True), advice, general=not integers)
    yield Other(
        "arguments of the loss swapped",
        "",
        lambda losses, y, p: losses.unweighted(p, tf.cast(y, p.dtype)),
        "{loss_fn}({y}, {predictions}): the targets come first",
    )
    if integers:
        for detail, loss in (
            ("labels as weights in -Σ y log p", labels_as_weights),
            ("labels broadcast over the classes", labels_broadcast),
            ("labels reshaped to (n, 1) in a mean squared error", labels_as_values),
        ):
            yield Other(name, detail, loss, advice)
    for key, value in (("label_smoothing", 0.0), ("delta", 1.0), ("gamma", 2.0), ("alpha", 0.25)):
        if config.get(key, value) != value:
            yield Other(f"another loss: {key} left out", f"{key}={value:g}", with_config(**{key: value}))


def _activations(config: dict[str, Any]) -> Iterator[Other]:
    """Softmax and sigmoid taken once too often, or not at all."""
    if config.get("from_logits") is True:
        yield Other(
            "logits taken for probabilities",
            "",
            with_config(from_logits=False),
            "use the loss with from_logits=True, or end the model with a softmax",
        )
        for activation in (tf.nn.softmax, tf.nn.sigmoid):
            yield Other(
                "softmax applied twice",
                f"{activation.__name__} before a loss of logits",
                activated(activation),
                "hand the logits to the loss as the model gives them",
            )
        return
    advice = "the model ends with an activation: use the loss with from_logits=False on its outputs"
    for activation in (tf.nn.softmax, tf.nn.sigmoid):
        yield Other("softmax applied twice", activation.__name__, activated(activation), advice)
    yield Other("softmax applied twice", "a loss of logits on probabilities", logits_loss, advice)


def _mixed_targets(at: Setting, output: int) -> list[Mistake]:
    """Label smoothing by hand: the loss of the targets, and the loss of uniform ones."""

    def targets(outs: list[tuple[RowLoss, Any, Any]]) -> list[Any]:
        losses, y, p = outs[output]
        rest = [each for index, each in enumerate(at.parts(outs)) if index != output]
        return [losses.reduced(y, p), tf.reduce_mean(smoothed(1.0)(losses, y, p)), *rest]

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
    loss = smoothed(amount)
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


def _searched(at: Setting, output: int) -> list[Mistake]:
    """Losses with a constant: the one is searched for whose gradient leaves the least."""
    for name, key, make, low, high in (
        ("another loss: huber", "delta", huber, 1e-3, 1e2),
        ("another loss: focal cross-entropy", "gamma", focal, 1e-2, 1e1),
        ("logits divided by a temperature", "temperature", temperature, 1e-2, 1e2),
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
