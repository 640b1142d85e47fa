"""Trains a case by fit() and by what the user wrote, and finds the run of fit() to compare it with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from loops.case import replicas
from loops.case.batches import Batch
from loops.case.errors import CaseError
from loops.case.loading import Case, Start
from loops.case.running import (
    Course,
    FitOptions,
    MakeStep,
    Mode,
    check_finite,
    is_graph_function,
    own_mode,
    start_of,
    train_by_fit,
    train_by_step,
)
from loops.diagnose.band import Band, departure, measure_band
from loops.diagnose.reference import OneStep, Replayer
from loops.diagnose.step import keras_own
from loops.parity.differences import first_divergence
from loops.parity.states import State

EAGER_STEPS = 8  # of the eager run that the band is measured with: a recurrent model takes long for more
Say = Callable[[str], None]


@dataclass(frozen=True)
class Trainings:
    """A case trained by fit() and by the user's step, from one start on the same batches.

    `fit` is fit() as the case runs it, `user` the user's run as it stands. `mode` is how the user's step
    ran, and `reference` is fit() itself in that mode. `right_step` makes fit()'s training step where that
    is not the model's own: what is examined is then the model's class. `replicas` are those of the user's
    run.
    """

    path: Path
    epoch: list[Batch]
    start: Start
    fit: Course
    user: Course
    mode: Mode
    reference: Course
    right_step: MakeStep | None = None
    replicas: int = 1

    @property
    def steps(self) -> int:
        """How many steps are compared: a callback may have ended a run early."""
        return min(len(course.states) for course in (self.fit, self.user, self.reference))

    @cached_property
    def band(self) -> Band:
        """How far right trainings of this case drift apart by rounding alone."""
        others = [] if self.reference is self.fit else [self.fit.states]
        if self.mode != "eager":
            options = FitOptions(mode="eager", make_step=self.right_step)
            steps = min(EAGER_STEPS, self.steps)
            course = train_by_fit(Case(self.path), self.epoch, steps, self.start, options)
            others.append(course.states)
        return measure_band(
            self.path,
            self.epoch,
            self.start,
            self.reference.states[: self.steps],
            self.mode,
            others,
            self.right_step,
        )

    @property
    def changed(self) -> frozenset[int]:
        """Indices into model.variables of the weights that the user's step ever changed."""
        return self.changed_by(self.steps)

    def changed_by(self, step: int) -> frozenset[int]:
        """The same in the first steps, up to `step`."""
        return _changed(self.user.states[:step], self.start)

    def departure(self, step: int) -> float:
        """The user's departure from fit() in the same mode after `step` steps, from 1."""
        return departure(self.user.states[step - 1], self.reference.states[step - 1], self.start)

    def within_rounding(self) -> bool:
        """Whether the user's run stays within the band at every step that can be judged."""
        return all(self.holds(step, self.user.states[step - 1]) for step in range(1, self.band.steps + 1))

    def holds(self, step: int, state: State) -> bool:
        """Whether a state after `step` steps is fit()'s but for rounding."""
        return self.band.holds(step, state, self.reference.states[step - 1])

    def replayer(self) -> Replayer:
        """Replays fit() in the user's mode."""
        return Replayer(self.path, self.epoch, self.start, self.mode, self.right_step)

    def one_step(self) -> OneStep:
        """Single steps of fit()."""
        return OneStep(self.path, self.epoch, self.start, self.right_step)


def train_both(path: Path, steps: int, say: Say) -> Trainings:
    """Run fit() and the user's step, each from a fresh execution of the file.

    Raises:
        CaseError: the case cannot be run: it raises, trains nothing, or gives NaN.
    """
    with replicas.real():
        case = Case(path)
        epoch = case.epoch(steps)
        start = start_of(case, epoch[0])
    say(f"fit(): {steps} steps, {len(epoch)} batches an epoch")
    right_step = None if case.has_step else keras_own
    fit = train_by_fit(Case(path), epoch, steps, start, FitOptions(make_step=right_step))
    check_finite(path, "fit()", fit.states)
    if case.has_step:
        on = f", on {case.replicas} replicas" if case.replicas > 1 else ""
        say(f"your train_step: the same start, the same batches{on}")
        with replicas.real():
            user = train_by_step(Case(path), epoch, steps, start)
    else:
        say("fit() with your model's own train_step: the same start, the same batches")
        user = train_by_fit(Case(path), epoch, steps, start)
    check_finite(path, "train_step", user.states)
    if not _changed(user.states, start):
        raise CaseError(
            f"{path}: train_step trains nothing: no variable of the model changed in {steps} steps. "
            "Does it apply the gradients to model.trainable_variables?"
        )
    mode, reference = _reference(path, epoch, start, fit, user)
    return Trainings(path, epoch, start, fit, user, mode, reference, right_step, case.replicas)


def _reference(
    path: Path, epoch: list[Batch], start: Start, fit: Course, user: Course
) -> tuple[Mode, Course]:
    """How the user's step ran, and fit() in that mode.

    A step that is no tf.function runs eagerly. A tf.function may trace once a batch size or with an open
    one: the mode is the one in which fit() agrees with it for longer.
    """
    case = Case(path)
    own = own_mode(case)
    if not case.has_step or first_divergence(fit.states, user.states) is None:
        return own, fit
    mode: Mode = "static" if is_graph_function(case.train_step) else "eager"
    if mode == own:
        return own, fit
    other = train_by_fit(Case(path), epoch, len(fit.states), start, FitOptions(mode=mode))
    if mode == "static" and _agreed(fit.states, user.states) > _agreed(other.states, user.states):
        return own, fit
    return mode, other


def _agreed(fit: Sequence[State], user: Sequence[State]) -> int:
    """For how many steps two runs agree to the bit."""
    divergence = first_divergence(fit, user)
    return divergence.step if divergence else len(fit) + 1


def _changed(user: Sequence[State], start: Start) -> frozenset[int]:
    return frozenset(
        name.index
        for name in user[0].weights
        if any(not np.array_equal(state.weights[name], start.values[name.index]) for state in user)
    )
