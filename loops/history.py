"""What a loop reports and returns, and how it is followed while it trains: one way for all loops."""

import time
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


@dataclass(frozen=True)
class Position:
    """Where a training stands: steps done, finished epochs, and seconds spent in the one under way."""

    step: int = 0
    epochs: tuple[EpochRecord, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Live:
    """The variables of a training under way, which are its whole state but for its position.

    `metrics` are those of the running loss and accuracy. `check` raises NotFiniteError where the
    loss has stopped being a number; a loop that looks at each step's loss needs none.
    """

    model: Any
    optimizer: Any
    metrics: tuple[Any, ...]
    check: Callable[[], object] = lambda: None


class Keeper:
    """Follows a training's whole state; this one keeps nothing and starts at the first step.

    A loop asks `start` where to begin, calls `begin` once all variables exist, and `keep` after
    each step; after an epoch's last step only once its record is in the position. A loop that
    runs many steps in one call comes back at `next_stop` at the latest.
    """

    start = Position()

    def begin(self, live: Live) -> None:
        """Take hold of the variables; restore them where `start` is not the beginning."""

    def next_stop(self, step: int) -> int | None:
        """The next step after `step` at which `keep` has something to do, if there is one."""

    def keep(self, position: Position) -> None:
        """The variables now hold the state at `position`."""


def keep(keeper: Keeper, position: Position) -> float:
    """Let the keeper keep; returns the seconds it took, which are none of training."""
    started = time.perf_counter()
    keeper.keep(position)
    return time.perf_counter() - started


def ignore_step(step: int, read_metrics: Callable[[], Metrics]) -> None:
    """The step hook of someone who wants none."""


def ignore_epoch(record: EpochRecord) -> None:
    """The epoch hook of someone who wants none."""
