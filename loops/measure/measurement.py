"""What a measurement of a case holds, and the sentence that it ends with."""

from collections.abc import Sequence
from dataclasses import dataclass

from loops.measure.ratios import Ratio, verdict

FIT, AGAIN, PLANTED = "fit()", "fit() again", "fit() again, slowed"
STEP, TRACED = "your step", "your step under tf.function"
PLANTED_SHARE = 0.05


@dataclass(frozen=True)
class Row:
    """One arm: milliseconds a step, rows of a batch a second, seconds of the first call, ratio to fit().

    `ratio` is None for fit() itself. `with_input` says whether batches() was part of the step.
    """

    arm: str
    with_input: bool
    ms_per_step: float
    examples_per_second: float
    first_call_seconds: float
    ratio: Ratio | None


@dataclass(frozen=True)
class Measurement:
    """The rows of a case, what was refused and why, and whether the step computes what fit() does."""

    case: str
    batch_size: int
    rows: Sequence[Row]
    refused: dict[str, str]
    eager: bool
    diagnosis: str

    def row(self, arm: str, *, with_input: bool = False) -> Row | None:
        """The row of an arm, None where it was not measured."""
        found = [row for row in self.rows if (row.arm, row.with_input) == (arm, with_input)]
        return found[0] if found else None

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
        own, traced = self.row(STEP), self.row(TRACED)
        if own is None or own.ratio is None:
            return "your step could not be timed"
        found = f"your step takes {_short(own.ratio)} of fit()'s time ({self.word(own)})"
        if self.eager:
            found += ": train_step itself is no tf.function"
            if traced and traced.ratio:
                found += (
                    f"; under tf.function it takes {_short(traced.ratio)}, not checked for the same result"
                )
        return f"{found}. Does it compute the same? {self.diagnosis}"


def _short(ratio: Ratio) -> str:
    return f"{ratio.median:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def _detected(ratio: Ratio) -> str:
    return "planted 5 %, detected" if ratio.low > 1 else "planted 5 %, NOT detected"
