"""What a loop reports while it trains and returns when it is done: one record for both loops."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Metrics = Mapping[str, float]
# Called after each step with the number of steps done (from 1) and a function that reads the
# metrics of the epoch so far. Reading waits for the device, so a hook need not do it each step.
OnStep = Callable[[int, Callable[[], Metrics]], None]


@dataclass(frozen=True)
class EpochRecord:
    """One finished epoch: its number (from 0), its metrics, its training time in seconds.

    `metrics` holds loss, accuracy, val_loss and val_accuracy as fit() names them. The time is
    that of the steps alone: validation is off the clock.
    """

    epoch: int
    metrics: Metrics
    train_seconds: float


OnEpoch = Callable[[EpochRecord], None]


@dataclass(frozen=True)
class History:
    """All epochs of a training, and the Keras optimizer as the training left it."""

    epochs: tuple[EpochRecord, ...]
    optimizer: Any

    @property
    def train_seconds(self) -> float:
        """Time spent in training steps, the first one's tracing and compilation included."""
        return sum(record.train_seconds for record in self.epochs)


def ignore_step(step: int, read_metrics: Callable[[], Metrics]) -> None:
    """The step hook of someone who wants none."""


def ignore_epoch(record: EpochRecord) -> None:
    """The epoch hook of someone who wants none."""
