"""The values of the loss, one for each row, time step or pixel: which of them count, and how much.

With l the values of one output's loss, g = Σ u · ∇l. The weights u are solved for by groups: by class, by
time step, by row, or by what the mask says; in fit() they are the sample weights over the number of values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from loops.diagnose.algebra import plain
from loops.diagnose.mistake import Loss, Mistake, RowLoss
from loops.diagnose.stages.divisors import elements, own_weights
from loops.diagnose.stages.setting import Setting, setting

MOST_GROUPS = 64
SAME = 2e-3  # relative, of one weight seen in two batches
AS_COMPILED = (
    "{loss} = {loss_fn}({y}, {predictions}, sample_weight=…): the very loss object of compile(), "
    "on the model's own output"
)


@dataclass(frozen=True)
class Family:
    """A way to group the values of a loss: a name, the labels of the groups, and each group's indicator."""

    name: str
    labels: tuple[Any, ...]
    indicator: Any  # (losses, y, p, label) → 1 where a value of the loss is in the group
    weighed: bool  # on top of fit()'s own weights


def explain_elements(at: Setting) -> list[Mistake]:
    """Weights of the values of one output's loss that explain the gradients."""
    found: list[Mistake] = []
    for output in range(at.outputs):
        for family in _families(at, output):
            found += _solved(at, output, family)
            if found:
                return found
    return found


def full(losses: RowLoss) -> RowLoss:
    """The loss without ignore_class: labels that it ignores count too."""
    function = losses.function
    config = function.get_config() if isinstance(function, tf.keras.losses.Loss) else {}
    if config.get("ignore_class") is None:
        return losses
    return RowLoss(
        type(function).from_config({**config, "ignore_class": None}), losses.weights, losses.mask, losses.x
    )


def values_of(losses: RowLoss, y: Any, p: Any) -> Any:
    """The values of the loss, ignored labels clipped to those that there are."""
    whole = full(losses)
    if whole is not losses:
        y = tf.clip_by_value(tf.cast(y, tf.int64), 0, p.shape[-1] - 1)
    return tf.cast(whole.unweighted(y, p), tf.float32)


def _families(at: Setting, output: int) -> list[Family]:
    seen: dict[str, Any] = {}

    def look(outs: list[tuple[RowLoss, Any, Any]]) -> list[Any]:
        losses, y, p = outs[output]
        values = values_of(losses, y, p)
        seen.update(
            shape=tuple(values.shape),
            classes=_classes(values, y, p),
            weights=own_weights(losses, y, p).numpy(),
        )
        x = losses.x
        seen["tokens"] = tf.is_tensor(x) and x.dtype.is_integer and tuple(x.shape) == tuple(values.shape)
        seen["mask"] = losses.mask is not None
        return []

    at.columns(look)
    shape, classes, weights = seen["shape"], seen["classes"], seen["weights"]
    uneven = not np.allclose(weights, weights.ravel()[0])
    found = []
    if uneven:
        found.append(Family("unweighted", (1,), lambda losses, y, p, label: 1.0, weighed=False))
        found.append(Family("zero", (0, 1), _weighs_nothing, weighed=False))
    if seen["tokens"]:
        found.append(Family("padding token", (0, 1), _is_token, weighed=False))
    if classes is not None and len(classes) <= MOST_GROUPS:
        found += [
            Family("class", tuple(classes), _is_class, weighed)
            for weighed in ((True, False) if uneven else (True,))
        ]
    if len(shape) > 1 and shape[1] <= MOST_GROUPS:
        found += [
            Family("time step", tuple(range(shape[1])), _is_place(1), weighed)
            for weighed in ((True, False) if uneven else (True,))
        ]
    if len(shape) and shape[0] <= MOST_GROUPS:
        found += [
            Family("row", tuple(range(shape[0])), _is_place(0), weighed)
            for weighed in ((True, False) if uneven else (True,))
        ]
    return found


def _classes(values: Any, y: Any, p: Any) -> list[int] | None:
    labels = labels_of(values, y, p)
    if labels is None:
        return None
    found = np.unique(labels.numpy())
    return [int(each) for each in found] if len(found) <= MOST_GROUPS else None


def labels_of(values: Any, y: Any, p: Any) -> Any:
    """The class of each value of the loss; None where targets are no classes."""
    if y.dtype.is_integer or y.dtype.is_bool:
        labels = tf.cast(y, tf.int64)
    elif p.shape[-1] and p.shape[-1] > 1 and y.shape == p.shape and len(values.shape) == len(p.shape) - 1:
        labels = tf.argmax(y, axis=-1)
    else:
        labels = tf.cast(tf.round(y), tf.int64)
        if tf.executing_eagerly() and not bool(tf.reduce_all(tf.equal(tf.cast(labels, y.dtype), y))):
            return None
    while len(labels.shape) > len(values.shape) and labels.shape[-1] == 1:
        labels = tf.squeeze(labels, -1)
    return labels if len(labels.shape) == len(values.shape) else None


def _is_class(losses: RowLoss, y: Any, p: Any, label: Any) -> Any:
    return tf.cast(tf.equal(labels_of(values_of(losses, y, p), y, p), label), tf.float32)


def _weighs_nothing(losses: RowLoss, y: Any, p: Any, label: Any) -> Any:
    return tf.cast(tf.equal(own_weights(losses, y, p) > 0, bool(label)), tf.float32)


def _is_token(losses: RowLoss, y: Any, p: Any, label: Any) -> Any:
    return tf.cast(tf.equal(losses.x != 0, bool(label)), tf.float32)


def _is_place(axis: int) -> Any:
    def indicator(losses: RowLoss, y: Any, p: Any, label: Any) -> Any:
        values = values_of(losses, y, p)
        places = tf.range(tf.shape(values)[axis])
        shape = [-1 if each == axis else 1 for each in range(len(values.shape))]
        return tf.cast(tf.reshape(tf.equal(places, label), shape), tf.float32)

    return indicator


def _group(family: Family, label: Any) -> Loss:
    """The mean over all values of those in one group."""

    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        values = values_of(losses, y, p) * family.indicator(losses, y, p, label)
        if family.weighed:
            values *= own_weights(losses, y, p)
        return tf.reduce_sum(values) / elements(losses, y, p)

    return loss


def _columns(at: Setting, output: int, family: Family) -> list[Any]:
    def targets(outs: list[tuple[RowLoss, Any, Any]]) -> list[Any]:
        rest = [each for index, each in enumerate(at.parts(outs)) if index != output]
        return [*(_group(family, label)(*outs[output]) for label in family.labels), *rest]

    return list(at.columns(targets))


def _solved(at: Setting, output: int, family: Family) -> list[Mistake]:
    columns = _columns(at, output, family)
    labels = [label for label, column in zip(family.labels, columns, strict=False) if _any(column)]
    empty = len(family.labels) - len(labels)
    used = [column for column in columns if _any(column)]
    found = at.solve(used)
    if found is None or not labels:
        return []
    weights = {
        label: _meant(at, family, label, value, error)
        for label, value, error in zip(labels, found.values, found.errors, strict=False)
    }
    top = max(abs(value) for value in weights.values())
    weights = {label: 0.0 if abs(value) < 1e-3 * top else value for label, value in weights.items()}
    rest = found.values[len(labels) :]
    if any(abs(value - 1) > 0.01 for value in rest) or empty == len(family.labels):
        return []
    later = at.scene.later(at.step)
    then = setting(at.scene, later, at.base) if later else None
    again = _again(then, output, family, weights) if then else None
    return _named(at, output, family, weights, again)


def _meant(at: Setting, family: Family, label: Any, value: float, error: float) -> float:
    """The weight as the user wrote it: of a class that fit() weighs too, a number in place of fit()'s."""
    own = (
        at.scene.one_step.class_weights.get(label, 1.0) if family.name == "class" and family.weighed else 1.0
    )
    return plain(value * own, error * own) / own if own else plain(value, error)


def _any(column: Mapping[int, np.ndarray]) -> bool:
    return any(array.any() for array in column.values())


def _again(
    then: Setting, output: int, family: Family, weights: Mapping[Any, float]
) -> dict[Any, float] | None:
    columns = _columns(then, output, family)
    labels = [label for label, column in zip(family.labels, columns, strict=False) if _any(column)]
    found = then.solve([column for column in columns if _any(column)])
    return dict(zip(labels, found.values, strict=False)) if found else None


def _normalised(at: Setting, output: int, family: Family, weights: Mapping[Any, float]) -> bool:
    """Whether the weights of all values together are their number: the loss is divided by their sum."""
    total = 0.0

    def look(outs: list[tuple[RowLoss, Any, Any]]) -> list[Any]:
        nonlocal total
        size = float(elements(*outs[output]))
        for label, value in weights.items():
            members = family.indicator(*outs[output], label) * tf.ones_like(values_of(*outs[output]))
            if family.weighed:
                members *= own_weights(*outs[output])
            total += value * float(tf.reduce_sum(members)) / size
        return []

    at.columns(look)
    return abs(total - 1) < SAME


def _named(
    at: Setting, output: int, family: Family, weights: dict[Any, float], again: Mapping[Any, float] | None
) -> list[Mistake]:
    """The mistakes that these weights may be: constants, or divided by their own sum in each batch."""
    shared = [label for label in weights if again and label in again]
    steady = not again or all(
        abs(again[label] - weights[label]) <= SAME * max(abs(again[label]), abs(weights[label]))
        for label in shared
    )
    by_sum = _normalised(at, output, family, weights)
    found = []
    if family.name == "row":
        return _rows_named(output, family, weights, again)
    if steady:
        found.append(_mistake(at, output, family, weights, by_sum=False))
    if by_sum and (not steady or any(not value for value in weights.values())):
        found.append(_mistake(at, output, family, weights, by_sum=True))
    return found


def _mistake(
    at: Setting, output: int, family: Family, weights: Mapping[Any, float], *, by_sum: bool
) -> Mistake:
    first = next((value for value in weights.values() if value), 1.0)
    used = {label: (value / first if by_sum else value) for label, value in weights.items()}

    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        shown = sum(value * family.indicator(losses, y, p, label) for label, value in used.items())
        values = values_of(losses, y, p)
        shown = shown * tf.ones_like(values)
        if len(used) > 1 and family.name == "class":  # a class of another batch counts once
            known = sum(family.indicator(losses, y, p, label) for label in used)
            shown += 1.0 - known
        if family.weighed:
            shown *= own_weights(losses, y, p)
        divisor = tf.reduce_sum(shown) if by_sum else elements(losses, y, p)
        return tf.reduce_sum(values * shown) / divisor

    return Mistake(_words(at, family, used, by_sum=by_sum), loss_of={output: loss}, advice=AS_COMPILED)


def _words(at: Setting, family: Family, weights: Mapping[Any, float], *, by_sum: bool) -> str:
    masked = at.scene.model is not None and family.name in ("unweighted", "zero", "padding token")
    told = ", ".join(f"{label} by {value:.4g}" for label, value in list(weights.items())[:6])
    zero = [str(label) for label, value in weights.items() if not value]
    over = ", divided by the sum of the weights" if by_sum else ""
    if masked:
        times = next(iter(weights.values()))
        scale = "" if abs(times - 1) < SAME or by_sum or len(weights) > 1 else f", times {times:.4g}"
        what = _what_weighs(at)
        return f"{what}{scale}{over}"
    if family.name == "class":
        if zero and len(zero) < len(weights):
            rest = {value for value in weights.values() if value}
            if len(rest) == 1:
                return (
                    f"rows or pixels of class {', '.join(zero)} ignored: they do not count in the loss{over}"
                )
        own = at.scene.one_step.class_weights
        if own and family.weighed and not by_sum:
            odd = {label: value for label, value in weights.items() if abs(value - 1) > SAME}
            told = ", ".join(
                f"{k} weighs {v * own.get(k, 1):.4g}, fit() {own.get(k, 1):.4g}" for k, v in odd.items()
            )
        return f"weights of the classes (class_weight) other than fit()'s: class {told}{over}"
    if zero and len(zero) == len(weights) - 1:
        only = next(label for label, value in weights.items() if value)
        last = " (the last)" if only == max(weights) else ""
        return f"only time step {only}{last} counts in the loss{over}"
    return f"weights of the time steps other than fit()'s: step {told}{over}"


def _what_weighs(at: Setting) -> str:
    """What makes fit()'s weights uneven: a mask, sample weights or class weights."""
    if at.scene.one_step.class_weights:
        return "class_weight of fit() not applied"
    if at.scene.batch(at.step).sample_weight is not None:
        return "sample_weight not applied"
    if at.scene.one_step.ignores_class:
        return "ignore_class of the loss not applied: ignored labels count"
    return "mask ignored: padded steps count in the loss"


def _rows_named(
    output: int, family: Family, weights: Mapping[Any, float], again: Mapping[Any, float] | None
) -> list[Mistake]:
    count = len(weights)
    zero = sorted(label for label, value in weights.items() if not value)
    kept = [value for value in weights.values() if value]
    if not zero or not kept or max(kept) - min(kept) > SAME * max(kept):
        return []
    gone = len(zero)
    scaled = abs(kept[0] - 1) < SAME  # the sum of those that are left, divided by all rows
    options: list[tuple[str, Any]] = []
    if zero == list(range(count - gone, count)):
        options = [
            (f"rows dropped: the last {gone} of each batch do not count", lambda n: (0, n - gone)),
            (f"rows dropped: only the first {count - gone} of each batch count", lambda n: (0, count - gone)),
        ]
        for divisor in (2, 3, 4, 5):
            if count - gone == count // divisor:
                name = f"rows dropped: only the first 1/{divisor} of each batch counts"
                options.append((name, lambda n, by=divisor: (0, n // by)))
        for unit in (2, 3, 4, 5, 8, 16):
            if count - gone == count // unit * unit and gone < unit:
                name = f"rows dropped: the batch is cut to a multiple of {unit}"
                options.append((name, lambda n, by=unit: (0, n // by * by)))
    elif zero == list(range(gone)):
        options = [(f"rows dropped: the first {gone} of each batch do not count", lambda n: (gone, n))]
    return [
        Mistake(
            name,
            loss_of={output: _part(family, cut, all_rows=scaled)},
            advice="train on all rows of the batch",
        )
        for name, cut in options
    ]


def _part(family: Family, cut: Any, *, all_rows: bool) -> Loss:
    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        values = values_of(losses, y, p)
        if family.weighed:
            values *= own_weights(losses, y, p)
        rows = tf.shape(values)[0]
        first, last = cut(rows)
        part = values[first:last]
        return tf.reduce_sum(values[first:last]) / tf.cast(tf.size(values if all_rows else part), tf.float32)

    return loss
