"""What a loop reports and returns, and how it is followed while it trains: one way for all loops."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Metrics = Mapping[str, float]
CURVE_EVERY = 20  # steps between points of the curves by step
ReadMetrics = Callable[[], Metrics]  # reading waits for the device
OnStep = Callable[[int, ReadMetrics], object]


@dataclass(frozen=True)
class EpochRecord:
    """One finished epoch: its number (from 0), its metrics, its training time in seconds.

    `metrics` holds loss, accuracy, val_loss and val_accuracy as fit() names them. The time is
    that of the steps alone: validation is off the clock.
    """

    epoch: int
    metrics: Metrics
    train_seconds: float


OnEpoch = Callable[[EpochRecord], object]


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
    loss is NaN or infinite; a loop that looks at each step's loss needs none.
    """

    model: Any
    optimizer: Any
    metrics: tuple[Any, ...]
    check: Callable[[], object] = lambda: None


class Running(Protocol):
    """The loss and accuracy of the epoch so far."""

    def read(self) -> Metrics:
        """The values now; waits for the device."""

    def reader_of_now(self) -> ReadMetrics:
        """A function that reads the values of this moment later; does not wait."""


class Readers(Protocol):
    """The loss and accuracy of the epoch after each of some steps."""

    def reader(self, index: int) -> ReadMetrics:
        """A function that reads the values after the step of this index, from 0."""


def ignore(*_: object) -> None:
    """The hook of someone who wants none."""


@dataclass(frozen=True)
class Hooks:
    """How a training is followed; every hook does nothing by default.

    A loop begins at `start`. It calls `begin` once all variables exist, which restores them where `start`
    is not the beginning. After each step it calls `on_step` with the number of steps done (from 1), and
    `keep`, after an epoch's last step only once the epoch's record is in the position. `on_curve` gets
    the metrics of every `curve_every`-th step, to be read later, so that no step waits for them. A loop
    that runs many steps in one call ends the call at `next_stop` at the latest.
    """

    start: Position = Position()
    begin: Callable[[Live], object] = ignore
    on_step: OnStep = ignore
    on_epoch: OnEpoch = ignore
    on_curve: OnStep = ignore
    curve_every: int | None = None
    next_stop: Callable[[int], int | None] = ignore
    keep: Callable[[Position], object] = ignore

    def after_step(self, step: int, running: Running) -> None:
        """Report one step."""
        for point in self.curve_steps(step - 1, step):
            self.on_curve(point, running.reader_of_now())
        self.on_step(step, running.read)

    def after_steps(self, last: int, count: int, running: Running, each: "Readers") -> None:
        """Report `count` steps that ran in one call and ended with step `last`; `each` knows the metrics."""
        before = last - count
        for point in self.curve_steps(before, last):
            self.on_curve(point, each.reader(point - before - 1))
        self.on_step(last, running.read)

    def curve_steps(self, before: int, last: int) -> range:
        """The steps after `before`, up to `last`, that belong to the curve."""
        every = self.curve_every
        return range(before // every * every + every, last + 1, every) if every else range(0)

    def keep_off_the_clock(self, position: Position) -> float:
        """Call `keep`; returns the seconds that it took, which are not training time."""
        started = time.perf_counter()
        self.keep(position)
        return time.perf_counter() - started


NO_HOOKS = Hooks()
