"""What a measurement of a case holds, and the sentence that it ends with."""

from collections.abc import Sequence
from dataclasses import dataclass

from loops.measure.bound import Bounds
from loops.measure.parts import Parts
from loops.measure.ratios import Ratio, verdict
from loops.measure.retraces import Retraces
from loops.measure.ways.trying import Tried, Way

AGAIN, PLANTED = "fit() again", "fit() again, slowed"
STEP = "your step"
PLANTED_SHARE = 0.05


@dataclass(frozen=True)
class Row:
    """One arm: milliseconds a step, rows of a batch a second, seconds of the first call, ratio to fit().

    `ratio` is None for fit() itself, `to_step` the ratio to the case's own step where the arm is a way to
    run it faster. `with_input` says whether batches() was part of the step. `makes_ms` are the medians of
    the makes, in milliseconds a step. `peak_bytes` is what training took above TensorFlow's own, None where
    it was not measured.
    """

    arm: str
    with_input: bool
    ms_per_step: float
    examples_per_second: float
    first_call_seconds: float
    ratio: Ratio | None
    to_step: Ratio | None = None
    makes_ms: Sequence[float] = ()
    peak_bytes: int | None = None


@dataclass(frozen=True)
class Measurement:
    """The rows of a case, the ways that were tried, and whether the step computes what fit() does.

    `best` is the fastest way that computes the same, None where none is worth while; where it is one of
    fit(), `best_own` is the fastest of the step itself. `parts` says where the step's time goes, `bounds`
    what can be known of other processors where that was asked for, `retraces` how often a tf.function is
    traced.
    """

    case: str
    batch_size: int
    rows: Sequence[Row]
    eager: bool
    diagnosis: str
    identical: bool
    tried: Sequence[Tried] = ()
    best: Way | None = None
    device: str = "cpu"
    device_name: str = ""
    parts: Parts | None = None
    bounds: Bounds | None = None
    retraces: Retraces | None = None
    best_own: Way | None = None

    def row(self, arm: str, *, with_input: bool = False) -> Row | None:
        """The row of an arm, None where it was not measured."""
        found = [row for row in self.rows if (row.arm, row.with_input) == (arm, with_input)]
        return found[0] if found else None

    @property
    def best_row(self) -> Row | None:
        """The row of the way that is recommended: without input, unless it changes the input."""
        return self.row(self.best.name, with_input=self.best.with_input) if self.best else None

    def word(self, row: Row) -> str:
        """The word for a row's ratio, held against the control with the same input."""
        if row.ratio is None:
            return ""
        if row.arm in (AGAIN, PLANTED):
            return "A/A control" if row.arm == AGAIN else _detected(row.ratio)
        control = self.row(AGAIN, with_input=row.with_input)
        return verdict(row.ratio, control.ratio if control else None)

    def sentence(self) -> str:
        """What the measurement comes to."""
        own = self.row(STEP)
        if own is None or own.ratio is None:
            return "your step could not be timed"
        found = (
            f"your step takes {short(own.ratio)} of fit()'s time ({self.word(own)}){self._with_input(own)}"
        )
        if self.eager:
            found += ": it runs eagerly"
        return f"{found}{self._promise()}. Does it compute the same as fit()? {self.diagnosis}"

    def _with_input(self, own: Row) -> str:
        """What the row with input says, where it says something else."""
        fed = self.row(STEP, with_input=True)
        if fed is None or fed.ratio is None or self.word(fed) == self.word(own):
            return ""
        return f", with its batches read from batches() {short(fed.ratio)} ({self.word(fed)})"

    @property
    def is_noisy(self) -> bool:
        """Whether a planted slowdown was not seen."""
        planted = self.row(PLANTED)
        return bool(planted and planted.ratio and planted.ratio.low <= 1)

    def _promise(self) -> str:
        """What the recommended way brings, where it was shown to bring something."""
        row = self.best_row
        if self.best is None or row is None or row.ratio is None:
            return "; no way to run it faster was found" if self.tried else ""
        if row.to_step is None or row.to_step.high >= 1:
            return "; no way to run it faster was shown"
        word = next(tried.grade.word for tried in self.tried if tried.way == self.best)
        where = " with input" if row.with_input else ""
        return f"; {self.best.name}: {short(row.ratio)}{where}, {word}"


def short(ratio: Ratio) -> str:
    """A ratio with two digits."""
    return f"{ratio.median:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def _detected(ratio: Ratio) -> str:
    return "planted 5 %, detected" if ratio.low > 1 else "planted 5 %, NOT detected"
