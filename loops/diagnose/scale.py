"""The user's gradients beside fit()'s, at the same weights on the same batch: scaled, and by how much?"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from loops.case.batches import batch_size
from loops.case.loading import Case, Start
from loops.case.running import FitOptions, train_by_fit, train_by_step
from loops.diagnose.band import FACTOR, SEEDS, compute_eps, moved_by_one_ulp
from loops.diagnose.mistake import NO_MISTAKE
from loops.diagnose.trainings import Trainings
from loops.parity.differences import norm
from loops.parity.states import Array, VariableName

SAME = 1e-3  # of a gradient's size: what a scale leaves over, or is away from 1, and still counts as none
LOUDEST = 1e-2  # of a gradient's size: more is no rounding but other random numbers
PLAIN = 1e-4  # of a value that was read off gradients, which round
NOISE = 1e-5  # of the size of all gradients: a variable's smaller one is rounding, and has no scale
Gradients = Mapping[VariableName, Array]


@dataclass(frozen=True)
class Scales:
    """By how much each variable's gradient is scaled at one step; `rows` of the batch.

    A variable is missing where fit()'s gradient is zero but for rounding. `left` is what the scales do not
    explain, over the size of all gradients. Up to `tolerance` gradients count as the same; `noise` is what
    rounding alone was measured to leave over.
    """

    rows: int
    by_variable: Mapping[VariableName, float]
    left: float
    tolerance: float = SAME
    noise: float = SAME

    @property
    def rounding(self) -> bool:
        """Whether the gradients differ by rounding alone, so that forward pass and loss are right."""
        away = max((abs(value - 1) for value in self.by_variable.values()), default=0.0)
        return max(self.left, away) < self.noise

    @property
    def explain(self) -> bool:
        """Whether the user's gradients are fit()'s but for these scales."""
        return bool(self.by_variable) and self.left < self.tolerance

    @property
    def one(self) -> float | None:
        """The scale of all gradients, where there is one."""
        values = list(self.by_variable.values())
        middle = float(np.median(values))
        same = all(abs(value - middle) <= self.tolerance * abs(middle) for value in values)
        return middle if same else None

    @property
    def none(self) -> bool:
        """Whether the gradients are fit()'s own."""
        return self.explain and self.one is not None and abs(self.one - 1) < self.tolerance


def scales_of(
    user: Gradients, fit: Gradients, rows: int, tolerance: float = SAME, noise: float = SAME
) -> Scales:
    """The least-squares scale of each variable's gradient, in float64."""
    fitted = {name.index: array.astype(np.float64) for name, array in fit.items()}
    least = NOISE * norm(fitted.values())
    found, left = {}, []
    for name, array in user.items():
        mine = array.astype(np.float64)
        theirs = fitted.get(name.index, np.zeros_like(mine))
        if norm([theirs]) <= least:
            left.append(mine - theirs)
            continue
        found[name] = float(np.vdot(mine, theirs) / np.vdot(theirs, theirs))
        left.append(mine - found[name] * theirs)
    size = norm(array.astype(np.float64) for array in user.values())
    return Scales(rows, found, norm(left) / size if size else float("inf"), tolerance, noise)


@dataclass(frozen=True)
class Seen:
    """What was seen of gradients at the first step that differs, and at the next of another batch size.

    None where none reached the optimizer that the case gave, or fit()'s cannot be had.
    """

    first: Scales | None = None
    other: Scales | None = None
    step: int = 0  # the first step that differs, from 1
    user: Gradients = field(default_factory=dict)  # the user's gradients there

    @property
    def agree(self) -> bool:
        """Whether gradients were seen, and are fit()'s own wherever they were."""
        return self.first is not None and all(each.none for each in (self.first, self.other) if each)

    def factor(self) -> float | None:
        """The one scale of all gradients, where it is the same for every size of batch."""
        scale = self.first.one if self.first and self.first.explain else None
        if scale is None or self.other is None:
            return scale
        other = self.other.one if self.other.explain else None
        close = other is not None and abs(other - scale) <= self.other.tolerance * abs(scale)
        return scale if close else None

    def factor_per_row(self) -> float | None:
        """The scale over the number of rows, where that is the same for every size of batch."""
        seen = [each for each in (self.first, self.other) if each]
        if len(seen) < 2 or any(not each.explain or each.one is None for each in seen):
            return None
        one, two = (float(each.one or 0) / each.rows for each in seen)
        return one if abs(one - two) <= seen[0].tolerance * abs(one) else None


def plain(value: float) -> float:
    """The number that was meant: of four digits, where the value is that but for rounding."""
    short = float(f"{value:.4g}")
    return short if abs(short - value) <= PLAIN * abs(value) else value


def look(trainings: Trainings, first: int) -> Seen:
    """Compare the gradients of step `first` (from 1), and of the next whose batch has another size."""
    sizes = [batch_size(batch) for batch in trainings.epoch]
    rows = [sizes[index % len(sizes)] for index in range(trainings.steps)]
    later = next((step for step in range(first + 1, len(rows) + 1) if rows[step - 1] != rows[first - 1]), 0)
    user = _of_user(trainings, later or first)
    if not any(array.any() for state in user for array in state.values()):
        return Seen()
    reference = _of_fit(trainings, first, trainings.start)
    if not reference:
        return Seen()
    noise = _noise(trainings, first, reference)
    tolerance = max(SAME, noise)
    found = scales_of(user[first - 1], reference, rows[first - 1], tolerance, noise)
    other = _at(trainings, later, user[later - 1], rows[later - 1], tolerance) if later else None
    return Seen(found, other, first, user[first - 1])


def _at(trainings: Trainings, step: int, user: Gradients, rows: int, tolerance: float) -> Scales | None:
    """The scales at a later step, whose weights are the user's own; None where fit()'s cannot be had."""
    before, after = trainings.user.states[step - 2], trainings.user.states[step - 1]
    try:
        fit = trainings.one_step().gradients(NO_MISTAKE, before, after, step - 1)
    except Exception:  # fit() of this model cannot be written as this tool does
        return None
    return scales_of(user, fit, rows, tolerance) if fit else None


def _noise(trainings: Trainings, step: int, reference: Gradients) -> float:
    """What rounding leaves over: measured by fit() from a start that is moved by one ULP."""
    eps = compute_eps(trainings.path, trainings.epoch, trainings.start)
    moved = moved_by_one_ulp(trainings.start, SEEDS[0], eps)
    found = scales_of(_of_fit(trainings, step, moved), reference, 1)
    away = max((abs(value - 1) for value in found.by_variable.values()), default=0.0)
    return float(FACTOR * max(eps, min(max(found.left, away), LOUDEST)))


def _of_user(trainings: Trainings, steps: int) -> list[Gradients]:
    if trainings.right_step:
        run = train_by_fit(
            Case(trainings.path), trainings.epoch, steps, trainings.start, FitOptions(gradients=True)
        )
    else:
        run = train_by_step(Case(trainings.path), trainings.epoch, steps, trainings.start, gradients=True)
    return [state.gradients for state in run.states]


def _of_fit(trainings: Trainings, step: int, start: Start) -> Gradients:
    options = FitOptions(mode=trainings.mode, make_step=trainings.right_step, gradients=True)
    run = train_by_fit(Case(trainings.path), trainings.epoch, step, start, options)
    return run.states[step - 1].gradients
