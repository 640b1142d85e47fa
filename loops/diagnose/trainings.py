"""Trains a case by fit() and by the user's step, and finds the right training to compare the step with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loops.case.loading import Batch, Case, CaseError, Start
from loops.case.running import Mode, check_finite, is_graph_function, train_by_fit, train_by_step
from loops.diagnose.reference import NO_MISTAKE, Replayer
from loops.parity.differences import distance, first_divergence, gap_of, norm
from loops.parity.states import State

ROUNDING = 1e-5  # a departure this small against the distance travelled is rounding
SUDDEN = 100  # rounding does not grow this much within a step
Say = Callable[[str], None]


@dataclass(frozen=True)
class Trainings:
    """A case trained by fit() and by the user's step, from one start on the same batches.

    `mode` is how the user's step ran. `baseline` is the right training in that mode: fit()'s own, or a
    replay without any mistake, which differs from fit() by rounding alone. `reported` is the user's run
    as the user runs it: eager where the step is no tf.function.
    """

    path: Path
    epoch: list[Batch]
    start: Start
    fit: list[State]
    user: list[State]
    mode: Mode
    baseline: list[State]
    reported: list[State]

    @property
    def note(self) -> str:
        """What the verdict adds where the step could not be traced."""
        return " (compared within rounding: the step could not be traced)" if self.mode == "eager" else ""

    @property
    def changed(self) -> frozenset[int]:
        """Indices into model.variables of the weights that the user's step ever changed."""
        return _changed(self.user, self.start)

    def departure(self, step: int) -> float:
        """The user's departure from the baseline after `step` steps, from 1."""
        return departure(self.user, self.baseline, self.start, step)

    def replayer(self) -> Replayer:
        """A replayer that runs as the user's step ran."""
        return Replayer(Case(self.path), self.epoch, self.start, self.mode)


def train_both(path: Path, steps: int, say: Say) -> Trainings:
    """Run fit() and the user's step, each from a fresh execution of the file.

    Raises:
        CaseError: the case cannot be run: it raises, trains nothing, or gives NaN.
    """
    case = Case(path)
    epoch = case.epoch(steps)
    say(f"fit(): {steps} steps, {len(epoch)} batches an epoch")
    start, fit = train_by_fit(case, epoch, steps, None)
    check_finite(path, "fit()", fit)
    say("your train_step: the same start, the same batches")
    user, mode, reported = _train_user(path, epoch, steps, start)
    check_finite(path, "train_step", user)
    if not _changed(user, start):
        raise CaseError(
            f"{path}: train_step trains nothing: no variable of the model changed in {steps} steps. "
            "Does it apply the gradients to model.trainable_variables?"
        )
    mode, baseline = _baseline(path, epoch, start, fit, user, mode)
    return Trainings(path, epoch, start, fit, user, mode, baseline, reported)


def departure(user: Sequence[State], fit: Sequence[State], start: Start, step: int) -> float:
    """The user's distance from fit() after `step` steps (from 1), over the distance fit() has travelled.

    Where the weights agree to the bit, it is the distance of the optimizer slots over their size.
    """
    mine, theirs = user[step - 1], fit[step - 1]
    apart = distance(mine, theirs)
    if any(gap_of(mine.weights[name], theirs.weights[name]).any() for name in mine.weights):
        moves = (gap_of(array, start.values[name.index]) for name, array in theirs.weights.items())
        travelled = norm(moves)
    else:
        travelled = norm(array for array in theirs.slots.values() if array.ndim)
    if not apart:
        return 0.0
    return apart / travelled if travelled else float("inf")


def _train_user(
    path: Path, epoch: list[Batch], steps: int, start: Start
) -> tuple[list[State], Mode, list[State]]:
    """Run the user's step in the mode that is nearest to fit()'s and still computes what the user has.

    A tf.function runs as it is. Any other step runs traced with an open batch size, else traced for each
    batch size, else eagerly. A trace freezes Python state (a counter, a list), so the step also runs
    eagerly: where the two differ by more than rounding, the eager run counts. What the step reports is
    read from the eager run too.
    """
    if is_graph_function(Case(path).train_step):
        states = train_by_step(Case(path), epoch, steps, start, "static")
        return states, "static", states
    eager = _tried(path, epoch, steps, start, "eager")
    traces: tuple[Mode, ...] = ("dynamic", "static")
    for mode in traces:
        states = _tried(path, epoch, steps, start, mode)
        if states and not (eager and _jumps(states, eager, start)):
            return states, mode, eager or states
    states = eager or train_by_step(Case(path), epoch, steps, start, "eager")
    return states, "eager", states


def _tried(path: Path, epoch: list[Batch], steps: int, start: Start, mode: Mode) -> list[State]:
    """The states of a run in `mode`; none where the step raises in it."""
    try:
        return train_by_step(Case(path), epoch, steps, start, mode)
    except CaseError:
        return []


def _jumps(traced: Sequence[State], eager: Sequence[State], start: Start) -> bool:
    """Whether two runs part suddenly. Rounding grows smoothly."""
    before = 0.0
    for step in range(1, len(traced) + 1):
        apart = departure(eager, traced, start, step)
        if apart > ROUNDING and apart > SUDDEN * before:
            return True
        before = apart
    return False


def _baseline(
    path: Path, epoch: list[Batch], start: Start, fit: list[State], user: list[State], mode: Mode
) -> tuple[Mode, list[State]]:
    """The right training to compare the user's with: fit() or a replay, whichever agrees for longer."""
    if mode == "dynamic" or first_divergence(fit, user) is None:
        return "dynamic", fit
    replay = list(Replayer(Case(path), epoch, start, mode).replay(NO_MISTAKE, len(user)))
    by_fit, by_replay = first_divergence(fit, user), first_divergence(replay, user)
    if mode == "static" and by_fit and by_replay and by_fit.step > by_replay.step:
        return "dynamic", fit
    return mode, replay


def _changed(user: Sequence[State], start: Start) -> frozenset[int]:
    return frozenset(
        name.index
        for name in user[0].weights
        if any(not np.array_equal(state.weights[name], start.values[name.index]) for state in user)
    )
