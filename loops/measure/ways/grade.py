"""Does a way to run a step faster compute what the step computes: graded by training the case with it."""

import functools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from loops.case.errors import CaseError
from loops.case.loading import Case
from loops.case.running import FitOptions, train_by_fit, train_by_step
from loops.diagnose.band import departure
from loops.diagnose.trainings import Trainings
from loops.measure.case_arms import args_of_fit, compiled_model, fixed_or_stream, many_of
from loops.measure.ways.code import MANY
from loops.parity.differences import first_divergence
from loops.parity.states import State, snapshot

BIT_IDENTICAL, WITHIN_ROUNDING, REFUSED = "bit-identical", "within rounding", "refused"
OTHER = "other mathematics"
REPORTS = 1e-3  # a step's report may round by this share: it is for people to read
LONGEST = 200  # characters of an error


@dataclass(frozen=True)
class Grade:
    """How a way's training agrees with the step's own, by one of the four words above, and why."""

    word: str
    why: str = ""

    @property
    def passed(self) -> bool:
        """Whether the way computes the same."""
        return self.word in (BIT_IDENTICAL, WITHIN_ROUNDING)

    @property
    def timed(self) -> bool:
        """Whether its time is of interest: other mathematics has its time shown, and is never recommended."""
        return self.word != REFUSED


class Grader:
    """Grades ways on one case, against its trainings by fit() and by the step as it stands."""

    def __init__(self, trainings: Trainings) -> None:
        self._trainings = trainings

    def step(self, paste: str) -> Grade:
        """The step as the pasted code makes it."""
        known = self._trainings
        return or_refused(
            lambda: self._steps(
                train_by_step(Case(known.path, paste), known.epoch, known.steps, known.start).states,
                known.user.states,
            )
        )

    def states(self, train: Callable[[], list[State]]) -> Grade:
        """A training by the case's step that was run elsewhere."""
        return or_refused(lambda: self._steps(train(), self._trainings.user.states))

    def other_mathematics(self, paste: str) -> Grade:
        """A training that is not meant to agree: how far it goes from the step's own."""
        known = self._trainings

        def train() -> Grade:
            states = train_by_step(Case(known.path, paste), known.epoch, known.steps, known.start).states
            last = min(len(states), len(known.user.states))
            if first_divergence(known.user.states, states) is None:
                return Grade(REFUSED, "the model is made before this code stands")
            apart = departure(states[last - 1], known.user.states[last - 1], known.start)
            return Grade(
                OTHER,
                f"after step {last} the weights are {apart:.1g} of the way from your step's",
            )

        return or_refused(train)

    def many(self, paste: str) -> Grade:
        """Several steps in one call: the state after the first pass, or after all steps of a shorter one."""
        known = self._trainings
        count = min(known.steps, len(known.epoch))

        def train() -> Grade:
            case = Case(known.path, paste)
            model, optimizer = case.model(known.epoch[0], known.start), case.optimizer()
            case.on_epoch_begin(model, optimizer, 0)
            batches = iter(fixed_or_stream(known.epoch))
            case.run(MANY, functools.partial(many_of(case, model, optimizer, batches), tf.constant(count)))
            return self._ends(count, snapshot(model, optimizer, {}), known.user.states)

        return or_refused(train)

    def steps_per_execution(self) -> Grade:
        """Training by fit() with several steps in one call: the state after a pass or a part of it."""
        known = self._trainings
        count = min(known.steps, len(known.epoch))

        def train() -> Grade:
            case = Case(known.path)
            case.compile_args["steps_per_execution"] = count
            model, optimizer = compiled_model(case, known.epoch, known.start)
            if known.right_step:
                model.train_step = known.right_step(model)
            stream = fixed_or_stream(known.epoch)
            args = {"steps_per_epoch": count, "shuffle": False, "verbose": 0, **args_of_fit(case)}
            case.run("fit()", lambda: model.fit(stream, **args))
            return self._ends(count, snapshot(model, optimizer, {}), known.fit.states)

        return or_refused(train)

    def fit(self, compile_args: Mapping[str, Any]) -> Grade:
        """The training with further arguments of compile(), which leave its steps single."""
        known = self._trainings
        options = FitOptions(make_step=known.right_step, compile_args=dict(compile_args))
        return or_refused(
            lambda: self._steps(
                train_by_fit(Case(known.path), known.epoch, known.steps, known.start, options).states,
                known.fit.states,
            )
        )

    def _steps(self, states: list[State], own: list[State]) -> Grade:
        if first_divergence(own, states) is None:
            return Grade(BIT_IDENTICAL)
        judged = min(self._trainings.band.steps, len(states), len(own))
        for step in range(1, judged + 1):
            if not self._trainings.band.holds(step, states[step - 1], own[step - 1]):
                return self._departed(step, states[step - 1], own[step - 1])
        if not judged:
            return Grade(REFUSED, "rounding alone takes this model too far for a verdict")
        return Grade(WITHIN_ROUNDING, _report(states, own))

    def _ends(self, step: int, state: State, own: list[State]) -> Grade:
        """The grade of one state, after `step` steps."""
        if _same_state(own[step - 1], state):
            return Grade(BIT_IDENTICAL)
        if step > self._trainings.band.steps:
            return Grade(REFUSED, "rounding alone takes this model too far for a verdict")
        if self._trainings.band.holds(step, state, own[step - 1]):
            return Grade(WITHIN_ROUNDING)
        return self._departed(step, state, own[step - 1])

    def _departed(self, step: int, state: State, own: State) -> Grade:
        apart, allowed = departure(state, own, self._trainings.start), self._trainings.band.at(step)
        if apart > allowed:
            told = f"the weights are {apart:.1g} of the way from your step's; rounding gives {allowed:.1g}"
        else:
            names = self._trainings.band.beyond(step, state, own)
            told = f"variable {names[0]} is further from your step's than rounding gives"
        return Grade(REFUSED, f"after step {step} {told}")


def or_refused(grade: Callable[[], Grade]) -> Grade:
    """The grade; REFUSED with the message where the case raises."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Model doesn't support `jit_compile=True`")
            return grade()
    except CaseError as error:
        told = str(error).partition("\n")[0].partition("[")[0]  # of XLA's messages the rest are internals
        return Grade(REFUSED, f"{told[:LONGEST].rstrip()} …" if len(told) > LONGEST else told)


def _same_state(one: State, two: State) -> bool:
    arrays = [(one.weights, two.weights), (one.slots, two.slots), (one.random, two.random)]
    return all(
        np.array_equal(a, b, equal_nan=True)
        for mine, others in arrays
        for a, b in zip(mine.values(), others.values(), strict=True)
    )


def _report(states: list[State], own: list[State]) -> str:
    """What the step reports otherwise, in a few words; empty where it reports the same."""
    for one, two in zip(states, own, strict=False):
        for name, value in two.reported.items():
            other = one.reported.get(name)
            if other is None or not np.isclose(other, value, rtol=REPORTS, atol=1e-6):
                return f"reports another {name}"
    return ""
