"""What a known mistake is: where it departs from fit(), what it is called, and the mended code."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

Loss = Callable[["RowLoss", Any, Any], Any]
Gradients = Callable[[list[Any], Any], list[Any]]  # (gradients, rows of the batch) → gradients


@dataclass(frozen=True)
class Mistake:
    """One departure from fit(): its name, its detail in this case, and the mended code.

    The other fields say where it enters the step; each default is what fit() does. `without` names the
    arguments of compile() and fit() that are left out. `rounding` marks a mistake that changes only the
    rounding.
    """

    name: str
    detail: str = ""
    advice: str = ""
    training: bool = True
    extra_passes: int = 0  # through the model, before the one that counts
    regularisers: bool = True
    mask: bool = True
    inputs: Callable[[Any], Any] | None = None
    predictions: Callable[[Any], Any] | None = None
    loss: Loss | None = None  # of one output; of several, the sum
    only_output: int | None = None  # the one whose loss counts
    loss_scales: tuple[Sequence[float], Sequence[float]] | None = None  # of each output's, each added loss
    pieces: int = 1  # into which a batch is cut, their gradients averaged
    repeats: int = 1  # of the whole step on one batch
    applies: int = 1  # of the same gradients
    per_output: bool = False  # an update for each output's loss
    scale_loss: bool = True
    gradients: Gradients | None = None
    variables: Callable[[tf.keras.Model], list[Any]] | None = None
    optimizer: Callable[[Any], Any] | None = None
    constraints: bool = True
    unfreeze: bool = False
    fresh_every: int = 0  # steps after which the optimizer is made anew
    accumulate: int = 1
    accumulate_mean: bool = False
    never_cleared: bool = False
    only_rows: int | None = None  # batches of another size are passed over
    without: Mapping[str, Any] = field(default_factory=dict)
    rounding: bool = False
    subtle: bool = False  # may stay within rounding for many steps, and then agree to the bit when replayed
    scaled: bool = False  # named only where no mistake that says why explains the same scale

    @property
    def stateful(self) -> bool:
        """Whether one step alone cannot show it."""
        return self.accumulate > 1 or self.never_cleared or self.fresh_every > 1 or bool(self.without)

    def __str__(self) -> str:
        return f"{self.name} ({self.detail})" if self.detail else self.name


NO_MISTAKE = Mistake("none")


@dataclass(frozen=True)
class RowLoss:
    """One output's loss function of the case, row by row, and the weights of the rows."""

    function: Any
    weights: Any = None

    def __call__(self, y: Any, prediction: Any) -> Any:
        """The loss of each row, unreduced and weighted."""
        rows = self.unweighted(y, prediction)
        return rows if self.weights is None else rows * _like(rows, self.weights)

    def weights_of(self, y: Any, prediction: Any) -> Any:
        """The weight of each row's loss; 1 where the case has none."""
        ones = tf.ones_like(self.unweighted(y, prediction))
        return ones if self.weights is None else ones * _like(ones, self.weights)

    def unweighted(self, y: Any, prediction: Any) -> Any:
        """The loss of each row, unreduced."""
        if isinstance(self.function, tf.keras.losses.Loss):
            return self.function.call(y, prediction)
        return self.function(y, prediction)


def _like(rows: Any, weights: Any) -> Any:
    """Weights of the rows with a dimension for each that a row's losses have."""
    weights = tf.cast(weights, rows.dtype)
    while len(weights.shape) > len(rows.shape):
        weights = tf.squeeze(weights, -1)
    while len(weights.shape) < len(rows.shape):
        weights = tf.expand_dims(weights, -1)
    return weights
