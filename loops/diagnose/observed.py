"""What the user's step did, step by step, as seen from inside: passes, gradients, updates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from loops.case.errors import CaseError
from loops.case.loading import Case
from loops.case.observing import Applied, Event, Passed, Taken, without_xla
from loops.case.running import FitOptions, train_by_fit, train_by_step
from loops.diagnose.trainings import Trainings
from loops.parity.states import Array, State

SEEDS = 20_000  # of the first step
Gradients = Mapping[int, Array]  # by index into model.variables


@dataclass(frozen=True)
class Step:
    """The events of one step."""

    events: Sequence[Event]

    @cached_property
    def passes(self) -> list[Passed]:
        """The calls of the whole model."""
        return [each for each in self.events if isinstance(each, Passed) and each.layer == 0]

    @cached_property
    def taken(self) -> list[Taken]:
        """What tapes gave for variables of the model."""
        return [each for each in self.events if isinstance(each, Taken) and each.gradients]

    @cached_property
    def applied(self) -> list[Applied]:
        """What optimizers were given."""
        return [each for each in self.events if isinstance(each, Applied) and each.gradients]

    @property
    def main(self) -> Passed | None:
        """The pass that the first gradient goes back through; the last one where no tape was seen."""
        found = None
        for event in self.events:
            if isinstance(event, Passed) and event.layer == 0:
                found = event
            if isinstance(event, Taken) and event.gradients and found:
                break
        return found

    def flags(self) -> dict[int, list[bool | None]]:
        """For each layer that behaves otherwise in training, the flag of each of its calls."""
        found: dict[int, list[bool | None]] = {}
        for event in self.events:
            if isinstance(event, Passed) and event.layer:
                found.setdefault(event.layer, []).append(event.training)
        return found

    @cached_property
    def raw(self) -> dict[int, Array]:
        """The gradients as tapes gave them; of several of one variable that which was applied, or the sum."""
        found: dict[int, list[Array]] = {}
        for taken in self.taken:
            for index, gradient in taken.gradients.items():
                found.setdefault(index, []).append(gradient)
        given = self.given
        return {
            index: next((g for g in own if index in given and np.array_equal(g, given[index])), _sum(own))
            for index, own in found.items()
        }

    @cached_property
    def given(self) -> dict[int, Array]:
        """The gradients that an optimizer got first for each variable."""
        found: dict[int, Array] = {}
        for applied in self.applied:
            for index, gradient in applied.gradients.items():
                found.setdefault(index, gradient)
        return found

    @property
    def sparse(self) -> frozenset[int]:
        """The variables whose gradients came to an optimizer as rows."""
        return frozenset[int]().union(*(each.sparse for each in self.applied))

    @property
    def last(self) -> dict[int, Array]:
        """The gradients that came last before the update: an optimizer's, or a tape's where none got them."""
        return self.given or self.raw


@dataclass(frozen=True)
class Observed:
    """The user's run watched, the state after each step, and the optimizers that updated in it."""

    steps: Sequence[Step]
    states: Sequence[State]
    optimizers: Sequence[Any]
    seeded: bool = False  # run eagerly, TensorFlow's generator seeded before each step


def observe(trainings: Trainings, steps: int, *, seeded: bool = False) -> Observed | None:
    """Run the user's training again, watched; None where that cannot be done.

    `seeded` is for models that draw from TensorFlow's global generator: a step of fit() from the same state
    then draws the same numbers.
    """
    path, epoch, start = trainings.path, trainings.epoch, trainings.start
    seeds = SEEDS if seeded else None
    try:
        with without_xla():
            if trainings.right_step:
                options = FitOptions(watch=True, seeds=seeds, mode="eager" if seeded else None)
                course = train_by_fit(Case(path), epoch, steps, start, options)
            else:
                course = train_by_step(Case(path), epoch, steps, start, watch=True, seeds=seeds)
    except CaseError:  # it ran before, so that watching it is what failed
        return None
    return Observed([Step(each) for each in course.events], course.states, course.optimizers, seeded)


def _sum(arrays: Sequence[Array]) -> Array:
    return np.asarray(sum(arrays[1:], start=arrays[0]))


def norm_of(array: Array) -> float:
    """Euclidean norm in float64."""
    return float(np.linalg.norm(np.asarray(array, np.float64).ravel()))
