"""What a mistake is: where it departs from fit(), what it is called, and the mended code."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import tensorflow as tf

Loss = Callable[["RowLoss", Any, Any], Any]
Gradients = Callable[[list[Any], Any], list[Any]]  # (gradients, rows of the batch) → gradients

ROW_ORDERS: Mapping[str, Callable[[Any], Any]] = {
    "rolled by one": lambda y: tf.roll(y, 1, axis=0),
    "rolled back by one": lambda y: tf.roll(y, -1, axis=0),
    "reversed": lambda y: tf.reverse(y, [0]),
}


class Penalty(NamedTuple):
    """What is added to a variable's gradient: so much of its values, and of their signs."""

    of_values: float = 0.0
    of_signs: float = 0.0


@dataclass(frozen=True)
class Mistake:
    """One departure from fit(): its name, its detail in this case, and the mended code.

    The other fields say where it enters the step; each default is what fit() does. `without` names the
    arguments of compile() and fit() that are left out. `rounding` marks a mistake that changes only the
    rounding. Variables are named by their index in model.variables, layers by that in _flatten_layers().
    """

    name: str
    detail: str = ""
    advice: str = ""
    # The forward pass
    prepare: Callable[[tf.keras.Model], None] | None = None  # before the step
    prepare_every: int = 1  # steps
    training: bool = True
    flags: Mapping[int, bool] = field(default_factory=dict)  # of single layers
    extra_passes: int = 0  # through the model, before the one that counts
    passes_after: int = 0  # between it and the update
    passes_last: int = 0  # after the update
    mask: bool = True  # of the loss
    masks: bool = True  # on the way through the model
    inputs: Callable[[Any], Any] | None = None
    layers_before: tuple[int, ...] = ()  # of the model's, through which the inputs go first
    rows: Callable[[Any], Any] | None = None  # of every part of the batch: x, y and sample_weight
    predictions: Callable[[Any], Any] | None = None
    # The loss
    regularisers: bool = True
    loss: Loss | None = None  # of one output; of several, the sum
    loss_of: Mapping[int, Loss] = field(default_factory=dict)  # of single outputs
    only_output: int | None = None  # the one whose loss counts
    loss_scales: tuple[Sequence[float], Sequence[float]] | None = None  # of each output's, each added loss
    scale: Loss | None = None  # of the whole loss: a factor
    penalties: Mapping[int, Penalty] = field(default_factory=dict)  # added to the gradient of the loss
    pieces: int = 1  # into which a batch is cut, their gradients averaged
    replicas: int = 1  # pieces, each with statistics of its own, of which the first are kept
    pieces_apart: int = 1  # pieces of a batch, each with an update of its own
    repeats: int = 1  # of the whole step on one batch
    scale_loss: bool = True
    # The gradients
    gradients: Gradients | None = None
    dense: frozenset[int] = frozenset()  # variables whose sparse gradients are made dense
    # The update
    applies: int = 1  # of the same gradients
    per_output: bool = False  # an update for each output's loss
    variables: Callable[[tf.keras.Model], list[Any]] | None = None
    optimizer: Callable[[Any], Any] | None = None
    # Updated in turn, each by an optimizer of its own where one is given
    by_group: tuple[tuple[tuple[int, ...], Callable[[Any], Any] | None], ...] = ()
    kept: frozenset[int] = frozenset()  # variables that are put back after the step
    rates: Sequence[float] | None = None  # the learning rate in each step
    decay: Mapping[int, float] = field(default_factory=dict)  # of a variable's values, taken off by hand
    decay_last: bool = False  # after the optimizer's update
    constraints: bool = True
    unfreeze: bool = False
    fresh_every: int = 0  # steps after which the optimizer is made anew
    accumulate: int = 1
    accumulate_mean: bool = False
    # Shares of the gradients and of what was last applied, and that of the gradients in the first step
    memory: tuple[float, float, float] | None = None
    only_rows: int | None = None  # batches of another size are passed over
    only_every: tuple[int, int] | None = None  # steps, and which of so many (from 0) updates the weights
    # Settings, and how it is told
    without: Mapping[str, Any] = field(default_factory=dict)
    rounding: bool = False
    subtle: bool = False  # may stay within rounding for many steps, and then agree to the bit when replayed
    general: bool = False  # named only where no mistake that says why explains the same
    slack: float = (
        3.0  # times the band that its replay may be off: it and the user's run both round otherwise
    )
    parts: tuple["Mistake", ...] = ()  # where it is several at once

    @property
    def stateful(self) -> bool:
        """Whether one step alone cannot show it."""
        return (
            self.accumulate > 1
            or self.memory is not None
            or self.only_every is not None
            or self.fresh_every > 1
            or self.prepare_every > 1
            or bool(self.without)
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.detail})" if self.detail else self.name


NO_MISTAKE = Mistake("none")
TOLD = {
    "name",
    "detail",
    "advice",
    "rounding",
    "general",
    "subtle",
    "slack",
    "parts",
}  # fields that change nothing
DONE = [each.name for each in fields(Mistake) if each.name not in TOLD]


def together(one: Mistake, two: Mistake) -> Mistake | None:
    """Both mistakes at once; None where they enter at the same place."""
    if one is NO_MISTAKE or two is NO_MISTAKE:
        return two if one is NO_MISTAKE else one
    changes: dict[str, Any] = {}
    for name in DONE:
        own, none = getattr(two, name), getattr(NO_MISTAKE, name)
        if own == none:
            continue
        before = getattr(one, name)
        if before == none:
            changes[name] = own
        elif name in ("gradients", "inputs", "optimizer") and callable(before):
            changes[name] = _in_turn(before, own)
        elif isinstance(before, dict) and isinstance(own, dict):
            changes[name] = {**before, **own}
        else:
            return None
    parts = (*(one.parts or (one,)), *(two.parts or (two,)))
    changes |= {
        "name": " and ".join(dict.fromkeys(each.name for each in parts)),
        "detail": "; ".join(each.detail for each in parts if each.detail),
        "advice": "\n".join(dict.fromkeys(each.advice for each in parts if each.advice)),
        "parts": parts,
        "rounding": one.rounding and two.rounding,
        "subtle": one.subtle and two.subtle,
        "general": one.general or two.general,
        "slack": max(one.slack, two.slack),
    }
    return replace(one, **changes)


def _in_turn(first: Callable[..., Any], second: Callable[..., Any]) -> Callable[..., Any]:
    return lambda value, *rest: second(first(value, *rest), *rest)


@dataclass(frozen=True)
class RowLoss:
    """One output's loss of the case, row by row, with what weighs the rows in fit().

    `weights` are those of the rows, `mask` is the model's own, `x` the inputs; each may be None.
    """

    function: Any
    weights: Any = None
    mask: Any = None
    x: Any = None

    def __call__(self, y: Any, prediction: Any) -> Any:
        """The loss of each row, unreduced and weighted."""
        rows = self.unweighted(y, prediction)
        return rows if self.weights is None else rows * like(rows, self.weights)

    def weights_of(self, y: Any, prediction: Any) -> Any:
        """The weight of each row's loss; 1 where the case has none."""
        ones = tf.ones_like(self.unweighted(y, prediction))
        return ones if self.weights is None else ones * like(ones, self.weights)

    def unweighted(self, y: Any, prediction: Any) -> Any:
        """The loss of each row, unreduced."""
        if isinstance(self.function, tf.keras.losses.Loss):
            return self.function.call(y, prediction)
        return self.function(y, prediction)

    def reduced(self, y: Any, prediction: Any) -> Any:
        """fit()'s own loss of this output: weighed, masked and reduced as Keras does."""
        if isinstance(self.function, tf.keras.losses.Loss):
            return self.function(y, prediction, sample_weight=self.weights)
        rows = self(y, prediction)
        if self.mask is None:
            return tf.reduce_mean(rows)
        mask = like(rows, self.mask) * tf.ones_like(rows)
        return tf.reduce_sum(rows * mask) / tf.reduce_sum(mask)


def like(rows: Any, weights: Any) -> Any:
    """Weights of the rows with a dimension for each that a row's losses have."""
    weights = tf.cast(weights, rows.dtype)
    while len(weights.shape) > len(rows.shape):
        weights = tf.squeeze(weights, -1)
    while len(weights.shape) < len(rows.shape):
        weights = tf.expand_dims(weights, -1)
    return weights
