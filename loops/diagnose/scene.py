"""One step of the user's beside fit()'s from the same state, with what rounding alone does to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from loops.case.batches import Batch, batch_size
from loops.diagnose.mistake import NO_MISTAKE, Mistake
from loops.diagnose.observed import SEEDS, Gradients, Observed, Step, norm_of
from loops.diagnose.reference import OneStep, Targets
from loops.diagnose.trainings import Trainings
from loops.parity.states import Array, State

FACTOR = 10.0  # a right step rounds everywhere, the probes at their start only
NUDGES = (1, 2)  # seeds of the probes
ALIKE = 1e-3  # of the size of all gradients: coarser than rounding, finer than any scale
EPS = float(np.finfo(np.float32).eps)
FLOOR = 4.0 * EPS  # of a gradient's size
SHARED = 0.5 * EPS  # of the size of all gradients


@dataclass(frozen=True)
class Tolerance:
    """How far each variable's gradient may be from another one of its size and still count as the same.

    `relative` is measured, by variable; a variable that is missing there has no gradient in fit().
    """

    relative: Mapping[int, float]

    def of(self, *sets: Gradients) -> dict[int, float]:
        """The distance that counts as rounding for each variable, of gradients of these sizes."""
        whole = max((_size(each) for each in sets), default=0.0)
        indices = {index for each in sets for index in each}
        return {
            index: self.relative.get(index, FLOOR)
            * max(norm_of(each[index]) for each in sets if index in each)
            + SHARED * whole
            for index in indices
        }

    def same(self, one: Gradients, two: Gradients) -> bool:
        """Whether two sets of gradients agree within rounding."""
        return not self.differing(one, two)

    def differing(self, one: Gradients, two: Gradients) -> list[int]:
        """The variables whose gradients do not agree."""
        most = self.of(one, two)
        zero = np.zeros(())
        return [i for i, each in most.items() if norm_of(one.get(i, zero) - two.get(i, zero)) > each]


def _size(gradients: Gradients) -> float:
    return float(np.sqrt(sum(norm_of(each) ** 2 for each in gradients.values())))


class Scene:
    """The user's training, watched, with single steps of fit() from any of its states."""

    def __init__(self, trainings: Trainings, observed: Observed) -> None:
        self.trainings, self.observed = trainings, observed
        self._states = observed.states if observed.seeded else trainings.user.states
        self.one_step: OneStep = trainings.one_step()
        self.model = self.one_step.model
        self._steps: dict[tuple[int, int, int | None], tuple[FitStep, Mistake]] = {}
        places = {id(variable): place for place, variable in enumerate(self.model.variables)}
        # Indices of the variables that fit() trains, in its order
        self.trainable = [places[id(variable)] for variable in self.model.trainable_variables]
        self.sizes = [batch_size(batch) for batch in trainings.epoch]

    def batch(self, step: int) -> Batch:
        """The batch of a step (from 1)."""
        return self.trainings.epoch[(step - 1) % len(self.trainings.epoch)]

    def user(self, step: int) -> Step:
        """What happened in the user's step (from 1)."""
        return self.observed.steps[step - 1]

    def before(self, step: int) -> State | None:
        """The user's state before a step; None at the start."""
        return self._states[step - 2] if step > 1 else None

    def after(self, step: int) -> State:
        """The user's state after a step."""
        return self._states[step - 1]

    def seed(self, step: int) -> int | None:
        """By what TensorFlow's generator was seeded before the step; None where it was left alone."""
        return SEEDS + step - 1 if self.observed.seeded else None

    def repeats(self) -> bool:
        """Whether two runs of fit()'s first step agree: it draws from no generator but the model's."""
        rates = self.trainings.reference.states[0]
        runs = [Step(self.one_step.watch(NO_MISTAKE, None, rates, 0)[0]).given for _ in range(2)]
        return same_size(*runs)

    def values(self, step: int) -> dict[int, Array]:
        """The user's weights before a step, by index into model.variables."""
        before = self.before(step)
        if before is None:
            return dict(enumerate(self.trainings.start.values))
        return {name.index: array for name, array in before.weights.items()}

    def loss_gradients(self, step: Step) -> Gradients:
        """The gradients of the loss as a tape gave them; those that an optimizer got where no tape was seen.

        Where the optimizer scales the loss, they are those that it got, with the scale taken off.
        """
        return self.trained(step.last if self.one_step.scales_loss else step.raw or step.given)

    def trained(self, gradients: Gradients) -> Gradients:
        """Those of the variables that fit() trains."""
        return {index: gradients[index] for index in self.trainable if index in gradients}

    def change(self, step: int) -> dict[int, Array]:
        """By how much the user's step changed each weight, in float64."""
        values = self.values(step)
        return {
            name.index: array.astype(np.float64) - values[name.index].astype(np.float64)
            for name, array in self.after(step).weights.items()
        }

    def fit(self, step: int, mistake: Mistake = NO_MISTAKE, nudge: int | None = None) -> "FitStep":
        """One step of the reference, or of a mistake, from the user's state before it."""
        key = (step, id(mistake), nudge)
        if key not in self._steps:
            rates = self.trainings.reference.states[min(step, self.trainings.steps) - 1]
            events, after = self.one_step.watch(
                mistake, self.before(step), rates, step - 1, nudge, self.seed(step)
            )
            self._steps[key] = (FitStep(Step(events), after), mistake)
        return self._steps[key][0]

    def columns(self, step: int, mistake: Mistake, targets: Targets) -> list[dict[int, Array]]:
        """The gradient of each value that `targets` makes of the outputs' losses."""
        rates = self.trainings.reference.states[min(step, self.trainings.steps) - 1]
        return self.one_step.columns(mistake, self.before(step), rates, step - 1, targets, self.seed(step))

    def tolerance(self, step: int, mistake: Mistake = NO_MISTAKE) -> Tolerance:
        """What rounding does to fit()'s gradients in this step: probes from weights moved by one ULP."""
        own = self.fit(step, mistake).step.given
        probes = [self.fit(step, mistake, nudge).step.given for nudge in NUDGES]
        return Tolerance({i: _relative(array, [p.get(i) for p in probes]) for i, array in own.items()})

    def sizes_agree(self, step: int) -> bool:
        """Whether the gradients that reach the optimizer are fit()'s but for a thousandth."""
        user = self.user(step).last
        return not user or same_size(*shared(self.trained(user), self.fit(step).step.last))

    def telling(self, first: int) -> list[int]:
        """Steps to look at: the first, one of another size of batch, and those around an epoch's end."""
        length = len(self.trainings.epoch)
        steps = dict.fromkeys([first, self.later(first), length, length + 1])
        return [
            step for step in steps if first <= step <= min(self.trainings.steps, len(self.observed.steps))
        ]

    def later(self, step: int) -> int:
        """Another step to solve at, of another size of batch where there is one; 0 where there is none."""
        last = min(self.trainings.steps, len(self.observed.steps))
        size = batch_size(self.batch(step))
        steps = [*range(step + 1, last + 1), *range(step - 1, 0, -1)]
        return next((each for each in steps if batch_size(self.batch(each)) != size), next(iter(steps), 0))

    def path(self, index: int) -> str:
        """A variable's path, without the numbers that Keras adds where that tells it from the others."""
        names = {name.index: name.path for name in self.trainings.user.states[0].weights}
        path = names.get(index, str(index))
        return path if list(names.values()).count(path) < 2 else str(self.model.variables[index].path)


@dataclass(frozen=True)
class FitStep:
    """One step of fit(): what happened in it, and the state after it where its slots are known."""

    step: Step
    after: State | None


def _relative(array: Array, probes: Sequence[Array | None]) -> float:
    size = norm_of(array)
    apart = max((norm_of(probe - array) for probe in probes if probe is not None), default=0.0)
    return FACTOR * max(FLOOR, apart / size) if size else FLOOR


def flat_outputs(batch: Batch, loss: Any) -> int:
    """How many outputs have a loss."""
    return 0 if loss is None or batch.y is None else len(tf.nest.flatten(batch.y))


def shared(one: Gradients, two: Gradients) -> tuple[Gradients, Gradients]:
    """Both, of the variables that both have."""
    both = [index for index in one if index in two]
    return {index: one[index] for index in both}, {index: two[index] for index in both}


def same_size(user: Gradients, own: Gradients) -> bool:
    """Whether two sets of gradients agree but for a thousandth of their size: one is scaled no otherwise."""
    return apart_by(user, own) <= ALIKE


def apart_by(one: Gradients, two: Gradients) -> float:
    """The distance of two sets of gradients, over the size of the larger one."""
    zero = np.zeros(())
    apart = np.sqrt(sum(norm_of(one.get(i, zero) - two.get(i, zero)) ** 2 for i in {*one, *two}))
    size = max(_size(one), _size(two))
    return float(apart / size) if size else 0.0
