"""By what the user divides the loss, where fit() divides by the number of its elements."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from loops.diagnose.algebra import plain
from loops.diagnose.mistake import Mistake, RowLoss, like
from loops.diagnose.stages.setting import Setting, setting

SAME = 1e-3  # relative, of one factor seen in two batches
MEAN = "{loss} = {loss_fn}({y}, {predictions}): Keras's own mean over all rows (and pixels, and time steps)"


@dataclass(frozen=True)
class Divisor:
    """A number that comes with each batch: its name, and how it follows from one output's loss."""

    name: str
    of: Callable[[RowLoss, Any, Any], Any]


def _rows(losses: RowLoss, y: Any, p: Any) -> Any:
    return tf.cast(tf.shape(p)[0], tf.float32)


def elements(losses: RowLoss, y: Any, p: Any) -> Any:
    """How many values of the loss one batch has."""
    return tf.cast(tf.size(losses.unweighted(y, p)), tf.float32)


def own_weights(losses: RowLoss, y: Any, p: Any) -> Any:
    """What fit() weighs each value of the loss by, before it divides: sample weights and the mask."""
    rows = losses.unweighted(y, p)
    weights = losses.weights_of(y, p)
    for mask in (losses.mask, getattr(rows, "_keras_mask", None)):
        if mask is not None:
            weights *= like(rows, mask) * tf.ones_like(rows)
    return tf.cast(weights, tf.float32)


def counted(losses: RowLoss, y: Any, p: Any) -> Any:
    """How many values of the loss the mask lets count; all of them where there is none."""
    rows = losses.unweighted(y, p)
    found = tf.ones_like(rows)
    for mask in (losses.mask, getattr(rows, "_keras_mask", None)):
        if mask is not None:
            found *= like(rows, mask)
    return tf.cast(tf.reduce_sum(found), tf.float32)


def _weights_sum(losses: RowLoss, y: Any, p: Any) -> Any:
    return tf.reduce_sum(own_weights(losses, y, p))


ONE = Divisor("constant", lambda losses, y, p: tf.constant(1.0))
DIVISORS = (
    ONE,
    Divisor("rows", _rows),
    Divisor("elements", elements),
    Divisor("counted", counted),
    Divisor("rows/weights", lambda *a: counted(*a) / _weights_sum(*a)),
    Divisor("counted/elements", lambda *a: counted(*a) / elements(*a)),
    Divisor("counted/rows", lambda *a: counted(*a) / _rows(*a)),
    Divisor("1/weights", lambda *a: 1 / _weights_sum(*a)),
)


def divisors(at: Setting, output: int = 0) -> dict[str, float]:
    """The value of each divisor in a step."""
    values: dict[str, float] = {}

    def look(outs: list[tuple[RowLoss, Any, Any]]) -> list[Any]:
        for each in DIVISORS:
            values[each.name] = float(each.of(*outs[output])) if outs else 1.0
        return []

    at.columns(look)
    return values


def explain_scale(at: Setting, value: float, error: float, *, of_all: bool) -> list[Mistake]:
    """Why the loss, or the data's part of it, is `value` times fit()'s: by what it is divided instead."""
    here = divisors(at)
    later = at.scene.later(at.step)
    if later:
        then = setting(at.scene, later, at.base)
        other = then.solve(then.columns(then.parts))
        there = divisors(then)
    found = []
    seen: list[tuple[float, float]] = []
    for each in DIVISORS:
        pair = (here[each.name], there[each.name] if later and other else 0.0)
        if pair in seen:
            continue
        seen.append(pair)
        rate = value / here[each.name]
        if later and other:
            again = other.values[0] / there[each.name]
            if abs(again - rate) > max(SAME, 3 * error / abs(value)) * abs(rate):
                continue
        found.append(_scaled(at, each, plain(rate, error / abs(here[each.name])), here, of_all=of_all))
        if each is ONE or len(found) == 2:
            break
    return found


def _scaled(at: Setting, divisor: Divisor, rate: float, here: dict[str, float], *, of_all: bool) -> Mistake:
    def factor(losses: RowLoss, y: Any, p: Any) -> Any:
        return rate * divisor.of(losses, y, p)

    name, detail = _named(at, divisor, rate, here)
    if not of_all:
        name += ", of the data and not of the added losses"
    if of_all:
        return Mistake(name, detail, scale=factor, advice=MEAN)
    return Mistake(
        name, detail, loss=lambda losses, y, p: factor(losses, y, p) * losses.reduced(y, p), advice=MEAN
    )


def _named(at: Setting, divisor: Divisor, rate: float, here: dict[str, float]) -> tuple[str, str]:
    per_row = here["elements"] / here["rows"]
    whole = 1 / rate if rate else 0.0
    if divisor is ONE:
        told = f"1/{round(whole)}" if abs(whole - round(whole)) < 1e-3 and whole > 1.5 else f"{rate:.4g}"
        if rate > 1 and any(abs(rate - here[each]) < SAME * rate for each in ("rows", "elements")):
            return f"sum for mean: loss or gradients scaled by {rate:.4g}", ""
        reason = "a sum for a mean, another divisor, or a factor"
        if abs(rate - per_row) < SAME * rate and per_row > 1:
            reason = f"a sum for a mean over the {per_row:.0f} values of a row"
        return f"loss or gradients scaled by {told}: {reason}", ""
    if divisor.name in ("rows", "elements", "counted"):
        if abs(rate - 1) < SAME or abs(rate * here["rows"] - here["elements"]) < SAME * here["elements"]:
            return "sum for mean", f"the loss is {rate * here[divisor.name]:.5g} times fit()'s here"
        if abs(whole - round(whole)) < 1e-3 * whole:
            return (
                f"wrong divisor on the partial batch: a sum divided by {round(whole)}, "
                f"not by the {divisor.name} of the batch",
                f"loss scaled by {divisor.name} / {round(whole)}",
            )
        return (
            f"loss or gradients scaled by {rate:.4g} · {divisor.name}: a sum for a mean, or another divisor",
            "",
        )
    times = "" if abs(rate - 1) < SAME else f", times {rate:.4g}"
    told = {
        "rows/weights": "divided by the sum of the sample weights, not by the rows",
        "counted/elements": "padding counted in the divisor: divided by all elements, "
        "not by those that the mask keeps",
        "counted/rows": "divided by the rows, not by the elements that the mask keeps",
        "1/weights": "divided twice: by the sum of the weights as well",
    }[divisor.name]
    return f"{told}{times}", ""
