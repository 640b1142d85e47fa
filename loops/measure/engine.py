"""Times a case's own step, and the fastest way found to run it, against fit()."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loops.case.batches import batch_size
from loops.case.errors import CaseError
from loops.case.keras_state import KerasState
from loops.case.loading import Case
from loops.case.running import is_graph_function, start_of
from loops.device import Device
from loops.diagnose.engine import judge
from loops.diagnose.step import keras_own
from loops.diagnose.trainings import Trainings, train_both
from loops.measure import case_arms
from loops.measure.arms import Arm
from loops.measure.makes import Contestant, Makes, Planted, Samples, Say
from loops.measure.measurement import AGAIN, PLANTED, PLANTED_SHARE, STEP, Measurement, Row
from loops.measure.ways.facts import Facts, facts_of
from loops.measure.ways.trying import FIT, Search, Tried, Way, make_arm, multiple_of

MAKES, MAKES_WITH_INPUT = 6, 4
ROUNDS = 16  # blocks of each arm in a make: pairs of blocks differ by 12 to 24 % on a shared 2-core machine
STEPS_COMPARED = 10
LOOKED_AT = 8  # batches that the specs of the input are read from
CPU = Device("cpu", "")


def measure(
    path: Path, say: Say = lambda line: None, *, ways: bool = True, device: Device = CPU
) -> Measurement:
    """Time fit() and the case's own step on its own batches, and say whether the two compute the same.

    With `ways`, ways to run it faster are graded and timed, and the best is timed beside the others.

    Raises:
        CaseError: the case cannot be run.
    """
    before = KerasState.now()
    try:
        return _measure(path, say, ways=ways, device=device)
    finally:
        before.restore()  # a case may have set a dtype policy


@dataclass(frozen=True)
class _Verdict:
    """What diagnose says, and the trainings behind it; None where the case could not be trained so."""

    words: str
    identical: bool
    trainings: Trainings | None


def _measure(path: Path, say: Say, *, ways: bool, device: Device) -> Measurement:
    say("does your step compute what fit() does?")
    verdict = _judged(path)
    say(verdict.words)
    case = Case(path)
    epoch = case.epoch(LOOKED_AT)
    multiple = case_arms.steps_per_execution(case)
    facts = facts_of(path, epoch, start_of(case, epoch[0]), multiple)
    best: Way | None = None
    tried: list[Tried] = []
    if ways and verdict.trainings:
        search = Search(verdict.trainings, facts, functools.partial(_fit, facts), say)
        best, tried = search.best(), search.tried
    rows = []
    for with_input in (False, True):
        samples = _timed(facts, best, with_input=with_input, say=say)
        rows += _rows(samples, batch_size(epoch[0]), best, with_input=with_input)
    return Measurement(
        path.name,
        batch_size(epoch[0]),
        rows,
        case.has_step and not is_graph_function(case.train_step),
        verdict.words,
        verdict.identical,
        tried,
        best,
        device=device.kind,
        device_name=device.name,
    )


def _judged(path: Path) -> _Verdict:
    """The verdict on the case; where there is none, the reason: such a step is still timed."""
    try:
        trainings = train_both(path, STEPS_COMPARED, lambda line: None)
        found = judge(trainings)
        return _Verdict(found.verdict, found.identical, trainings)
    except CaseError as error:
        return _Verdict(f"no verdict: {error}", identical=False, trainings=None)


def _fit(facts: Facts, *, with_input: bool = False) -> Arm:
    """fit() of the case; Keras's own step where the model's is what is examined."""
    step = None if facts.has_step else keras_own
    return case_arms.fit_arm(
        Case(facts.path), list(facts.epoch), facts.start, with_input=with_input, make_step=step
    )


def _timed(facts: Facts, best: Way | None, *, with_input: bool, say: Say) -> Mapping[str, Samples]:
    """Time fit() twice, the step and the best way, each made anew several times."""
    fit = functools.partial(_fit, facts, with_input=with_input)
    arms = {name: Contestant(fit, facts.multiple) for name in (FIT, AGAIN)}
    for name, way in {STEP: None, **({best.name: best} if best else {})}.items():
        own = functools.partial(make_arm, facts, way, with_input=with_input)
        arms[name] = Contestant(own, multiple_of(facts, way), optional=way is not None)
    makes = Makes(arms, None if with_input else Planted(PLANTED, AGAIN, PLANTED_SHARE))
    count = MAKES_WITH_INPUT if with_input else MAKES
    for number in range(1, count + 1):
        say(f"timing with{'' if with_input else 'out'} input: {number} of {count}")
        makes.time(ROUNDS)
    return makes.samples


def _rows(samples: Mapping[str, Samples], size: int, best: Way | None, *, with_input: bool) -> list[Row]:
    found = []
    order = [FIT, AGAIN, PLANTED, STEP, *([best.name] if best else [])]
    for name in (each for each in order if each in samples):
        own = samples[name]
        found.append(
            Row(
                name,
                with_input,
                1000 * own.seconds,
                size / own.seconds,
                own.first_call,
                None if name == FIT else own.ratio(samples[FIT]),
                own.ratio(samples[STEP]) if best and name == best.name else None,
            )
        )
    return found
