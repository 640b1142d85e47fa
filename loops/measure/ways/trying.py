"""Tries ways to run a case faster: grades each on the case, times those that compute the same."""

import functools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from loops.case.loading import Case
from loops.diagnose.trainings import Trainings
from loops.measure import case_arms
from loops.measure.arms import Arm
from loops.measure.case_process import CaseProcess, arm_of_way
from loops.measure.makes import Contestant, Makes, Say
from loops.measure.ways import code, source
from loops.measure.ways.facts import Facts
from loops.measure.ways.grade import BIT_IDENTICAL, REFUSED, Grade, Grader
from loops.measure.ways.same_batches import grade_of_input

ROUNDS = 7  # blocks of each way when it is first timed
WORTH = 0.97  # a way must take at most this share of the step's own time
WORTH_MORE = 0.9  # the same for input and threads, on top of a way: less is not worth the change
STEPS_IN_CALL = 16
FIT, AS_IT_IS = "fit()", "as it is"


@dataclass(frozen=True)
class Way:
    """One way: the code to paste, and what it replaces.

    `kind` is "step" where the code makes another train_step, "many" where it adds a function that trains
    several steps, "fit" where it gives compile() further arguments. `parts` is into how many a batch is cut.
    `with_input` says that it changes how batches come to the step, so that its time is the one with input;
    `other` that it is other mathematics. `threads` names settings of threads, for which a process of its own
    is needed.
    """

    name: str
    kind: str
    code: str
    compile_args: Mapping[str, Any] = field(default_factory=dict)
    parts: int = 0
    with_input: bool = False
    other: bool = False
    threads: str = ""


Processes = Mapping[str, CaseProcess]  # by the name of their setting
NONE: Processes = {}


@dataclass(frozen=True)
class Tried:
    """A way with its grade; `ratio` is its time over fit()'s in one make, without interval.

    None where it was not timed.
    """

    way: Way
    grade: Grade
    ratio: float | None = None


def make_arm(
    facts: Facts,
    way: Way | None,
    *,
    with_input: bool,
    make_step: Any = None,
    processes: Processes = NONE,
) -> Arm:
    """The arm of a way; None is the case's own step, or its own fit() where it has none.

    A way with thread settings runs in the process that has them, where that is given.

    Raises:
        CaseError: the case raises.
    """
    if way and way.threads in processes:
        return arm_of_way([processes[way.threads]], way, with_input=with_input)
    epoch = list(facts.epoch)
    case = Case(facts.path, way.code if way and (way.kind != "fit" or way.with_input) else "")
    if way and way.kind == "fit":
        case.compile_args |= way.compile_args
    if not facts.has_step or (way and way.kind == "fit"):
        return case_arms.fit_arm(case, epoch, facts.start, with_input=with_input, make_step=make_step)
    make = case_arms.many_arm if way and way.kind == "many" else case_arms.step_arm
    return make(case, epoch, facts.start, with_input=with_input)


def multiple_of(facts: Facts, way: Way | None) -> int:
    """How many steps one call of the way's arm trains at least."""
    if way and way.kind == "fit":
        return int(way.compile_args.get("steps_per_execution", facts.multiple))
    return 1 if facts.has_step else facts.multiple


class Search:
    """Finds the fastest way, in two stages: how a step is run, then many steps in one call."""

    def __init__(
        self,
        trainings: Trainings,
        facts: Facts,
        fit: Callable[..., Arm],
        say: Say,
        processes: Processes = NONE,
        *,
        identical: bool = True,
    ) -> None:
        """`identical` says whether the step computes what fit() does: else no way of fit() is one of it."""
        self._identical = identical
        self.facts = facts
        self.tried: list[Tried] = []
        self._grader, self._fit, self._say = Grader(trainings), fit, say
        self._processes = processes
        self._own = float("inf")  # the time of the case's own step over fit()'s

    def best(self) -> Way | None:
        """The fastest way that computes the same, None where no way is worth while."""
        first = self._stage([*self._of_step(), *self._of_fit()])
        # parts need the size of a batch, which a graph of many steps does not know of most datasets
        whole = (way for way in first if way.kind == "step" and not way.parts)
        step = min(whole, key=self._ratio_of, default=None)
        if step and self._ratio_of(step) >= WORTH * self._own:
            step = None
        if self.facts.names and (step or not self.facts.eager):  # else there is nothing to put into a graph
            first += self._stage([self._of_call(step)])
        fastest = min(first, key=self._ratio_of, default=None)
        if fastest and self._ratio_of(fastest) >= WORTH * self._own:
            fastest = None
        fastest = self._with_better_input(fastest) or fastest
        return self._with_other_threads(fastest) or fastest

    def best_own(self) -> Way | None:
        """The fastest way of the step itself, without input, None where no way is worth while."""
        passed = [
            t
            for t in self.tried
            if t.grade.passed and not t.way.with_input and t.way.kind in ("step", "many")
        ]
        best = min(passed, key=lambda tried: self._ratio_of(tried.way), default=None)
        return best.way if best and self._ratio_of(best.way) < WORTH * self._own else None

    def _with_other_threads(self, fastest: Way | None) -> Way | None:
        """The fastest way with other numbers of threads, where that is worth while."""
        if not self.facts.has_step or (fastest and fastest.kind == "fit"):
            return None
        base = fastest or Way("", "step", "")
        ways = [
            replace(base, name=f"{base.name}, {name}" if fastest else name, threads=name)
            for name in self._processes
        ]
        return self._better(self._stage(ways, fastest, with_input=base.with_input))

    def _with_better_input(self, fastest: Way | None) -> Way | None:
        """The fastest way with its batches brought to it otherwise, where that is worth while."""
        return self._better(self._stage(self._of_input(fastest), fastest, with_input=True))

    def _better(self, ways: Sequence[Way]) -> Way | None:
        better = min(ways, key=self._ratio_of, default=None)
        return better if better and self._ratio_of(better) < WORTH_MORE * self._own else None

    def _of_input(self, fastest: Way | None) -> list[Way]:
        own = self.facts.source
        if own is None:
            return []
        base = fastest or Way("", "step" if self.facts.has_step else "fit", "")
        codes = {source.KEPT: source.kept(own, as_list=base.kind == "step")}
        if own.dataset:
            codes[source.PREFETCHED] = source.prefetched(own)
        imports = "" if self.facts.imports_tf or "import tensorflow as tf" in base.code else code.IMPORT
        return [
            replace(
                base,
                name=f"{base.name}, {name}" if fastest else name,
                code="\n".join(each for each in (base.code, imports + text) if each),
                with_input=True,
            )
            for name, text in codes.items()
        ]

    def _ratio_of(self, way: Way) -> float:
        return next((t.ratio for t in self.tried if t.way == way and t.ratio is not None), float("inf"))

    def _of_step(self) -> list[Way]:
        names = self.facts.names
        if names is None:
            return []
        ways = []
        if self.facts.eager:
            ways.append(
                Way("under tf.function", "step", code.traced(names, reduce_retracing=self.facts.shapes > 2))
            )
        elif self.facts.shapes > 2:
            ways.append(
                Way("tf.function with reduce_retracing", "step", code.traced(names, reduce_retracing=True))
            )
        ways.append(Way("compiled by XLA", "step", code.traced(names, jit_compile=True)))
        if self.facts.bfloat16:
            ways.append(Way("mixed precision (bfloat16)", "step", code.mixed_precision(names), other=True))
        return ways + [
            Way(f"in {count} parts side by side", "step", code.in_parts(names, count), parts=count)
            for count in self.facts.part_counts
        ]

    def _of_fit(self) -> list[Way]:
        if self.facts.has_step and not self._identical:
            return []
        given: list[tuple[str, dict[str, Any]]] = [("compiled by XLA", {"jit_compile": True})]
        if self.facts.multiple == 1:
            given.insert(0, (f"steps_per_execution={STEPS_IN_CALL}", {"steps_per_execution": STEPS_IN_CALL}))
        added = self.facts.has_compile_args
        return [
            Way(f"fit(), {name}", "fit", code.compiled(added=added, **args), args) for name, args in given
        ]

    def _of_call(self, step: Way | None) -> Way:
        assert self.facts.names
        before, name = (f"{step.code}\n", f"{step.name}, ") if step else ("", "")
        names = replace(self.facts.names, imports_tf=self.facts.names.imports_tf or bool(step))
        return Way(f"{name}many steps in one call", "many", before + code.many_steps(names))

    def _stage(
        self, ways: Sequence[Way], beside: Way | None = None, *, with_input: bool = False
    ) -> list[Way]:
        """Grade the ways, and time those that are not refused, `beside` the case's own step or another way.

        What is left of them computes the same.
        """
        graded = []
        for way in ways:
            self._say(f"does it compute the same? {way.name}")
            graded.append(Tried(way, self._graded(way)))
        timed = {tried.way.name: tried.way for tried in graded if tried.grade.timed}
        if timed:
            self._say(f"how fast? {'; '.join(timed)}")
            graded = self._timed(graded, timed, beside, with_input=with_input)
        self.tried += graded
        return [tried.way for tried in graded if tried.grade.passed]

    def _timed(
        self, graded: Sequence[Tried], ways: Mapping[str, Way], beside: Way | None, *, with_input: bool
    ) -> list[Tried]:
        """With the time of each over fit()'s, in one make beside the case's own step or another way."""
        fit = functools.partial(self._fit, with_input=with_input)
        arms = {FIT: Contestant(fit, self.facts.multiple)}
        named: dict[str, Way | None] = {AS_IT_IS: beside, **ways}
        for name, way in named.items():
            make = functools.partial(
                make_arm, self.facts, way, with_input=with_input, processes=self._processes
            )
            arms[name] = Contestant(make, multiple_of(self.facts, way), optional=way is not None)
        makes = Makes(arms)
        makes.time(ROUNDS)
        ratios = {
            name: statistics.median(own.pairs(makes.samples[FIT])[0]) for name, own in makes.samples.items()
        }
        if AS_IT_IS in makes.refused:  # a way that ran without input, and does not with it
            why = f"what it is built on raises with input: {makes.refused[AS_IT_IS]}"
            return [replace(tried, grade=Grade(REFUSED, why)) for tried in graded]
        self._own = ratios[AS_IT_IS]
        refused = {name: Grade(REFUSED, why) for name, why in makes.refused.items()}
        return [
            replace(tried, ratio=ratios.get(tried.way.name), grade=refused.get(tried.way.name, tried.grade))
            for tried in graded
        ]

    def _graded(self, way: Way) -> Grade:
        if way.threads:
            train = functools.partial(self._processes[way.threads].states, way.code)
            return self._not_better_than_base(way, self._grader.states(train))
        if way.with_input:
            return self._graded_by_input(way)
        if way.kind == "fit":
            if "steps_per_execution" in way.compile_args:
                return self._grader.steps_per_execution()
            return self._grader.fit(way.compile_args)
        if way.kind == "many":
            return self._grader.many(way.code)
        return self._grader.other_mathematics(way.code) if way.other else self._graded_step(way)

    def _graded_step(self, way: Way) -> Grade:
        grade = self._grader.step(way.code)
        reasons = (self.facts.meet if way.parts else ()) + self.facts.random[:1]
        if grade.passed or not reasons or "raised" in grade.why:
            return grade
        return Grade(REFUSED, f"{'; '.join(reasons)}: {grade.why}")

    def _graded_by_input(self, way: Way) -> Grade:
        """The grade of its batches, and of what it trains by where that is a way of its own."""
        name = way.name.rpartition(", ")[2]
        return self._not_better_than_base(way, grade_of_input(self.facts.path, name, way.code))

    def _not_better_than_base(self, way: Way, grade: Grade) -> Grade:
        base = way.name.rpartition(", ")[0]
        words = [tried.grade.word for tried in self.tried if tried.way.name == base]
        rounds = words and grade.word == BIT_IDENTICAL
        return replace(grade, word=words[0]) if rounds else grade
