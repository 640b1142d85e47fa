"""Times a case's own step against fit(): the arms made anew several times, their blocks interleaved."""

import contextlib
import gc
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loops.case.batches import Batch, batch_size
from loops.case.errors import CaseError
from loops.case.keras_state import KerasState
from loops.case.loading import Case, Start
from loops.case.running import is_graph_function, start_of
from loops.diagnose import diagnose
from loops.diagnose.step import keras_own
from loops.measure import case_arms
from loops.measure.arms import Arm, DelayedArm
from loops.measure.clock import timed
from loops.measure.groups import ratio_of_makes
from loops.measure.measurement import (
    AGAIN,
    FIT,
    PLANTED,
    PLANTED_SHARE,
    STEP,
    TRACED,
    Measurement,
    Row,
)
from loops.measure.warm import Warm, warm_up

MAKES, MAKES_WITH_INPUT = 6, 4
ROUNDS = 5  # blocks of each arm in a make
BLOCK_SECONDS = 0.1
STEPS_DIAGNOSED = 10
ORDER = (FIT, AGAIN, PLANTED, STEP, TRACED)  # of the rows
LOOKED_AT = 8  # batches that the specs of the input are read from
Say = Callable[[str], None]
Make = Callable[[], Arm]


def measure(path: Path, say: Say = lambda line: None) -> Measurement:
    """Time fit() and the case's own step on its own batches, and say whether the two compute the same.

    Raises:
        CaseError: the case cannot be run.
    """
    before = KerasState.now()
    try:
        return _measure(path, say)
    finally:
        before.restore()  # a case may have set a dtype policy


def _measure(path: Path, say: Say) -> Measurement:
    say("does your step compute what fit() does?")
    verdict = _diagnosis(path)
    say(verdict)
    case = Case(path)
    epoch = case.epoch(LOOKED_AT)
    start = start_of(case, epoch[0])
    eager = case.has_step and not is_graph_function(case.train_step)
    rows: list[Row] = []
    refused: dict[str, str] = {}
    for with_input in (False, True):
        arms = _arms(path, epoch, start, with_input=with_input, eager=eager)
        makes = MAKES_WITH_INPUT if with_input else MAKES
        multiple = case_arms.steps_per_execution(case)
        samples = _timed(arms, makes, multiple, with_input=with_input, refused=refused, say=say)
        rows += _rows(samples, batch_size(epoch[0]), with_input=with_input)
    return Measurement(path.name, batch_size(epoch[0]), rows, refused, eager, verdict)


def _diagnosis(path: Path) -> str:
    """The verdict on the case; where there is none, the reason: such a step is still timed."""
    try:
        return diagnose(path, STEPS_DIAGNOSED).verdict
    except CaseError as error:
        return f"no verdict: {error}"


def _arms(path: Path, epoch: list[Batch], start: Start, *, with_input: bool, eager: bool) -> dict[str, Make]:
    """Makes each arm from a fresh execution of the case."""
    own = Case(path).has_step
    right_step = None if own else keras_own

    def fit() -> Arm:
        return case_arms.fit_arm(Case(path), epoch, start, with_input=with_input, make_step=right_step)

    def step(*, traced: bool = False) -> Arm:
        if not own:  # the model's own train_step, which fit() runs
            return case_arms.fit_arm(Case(path), epoch, start, with_input=with_input)
        return case_arms.step_arm(Case(path), epoch, start, with_input=with_input, traced=traced)

    arms: dict[str, Make] = {FIT: fit, AGAIN: fit, STEP: step}
    if eager and not with_input:
        arms[TRACED] = lambda: step(traced=True)
    return arms


@dataclass
class _Samples:
    """What was timed of one arm: first calls in seconds, and a make's blocks in seconds a step."""

    first_calls: list[float] = field(default_factory=list)
    makes: list[list[float]] = field(default_factory=list)


def _timed(
    arms: dict[str, Make], makes: int, multiple: int, *, with_input: bool, refused: dict[str, str], say: Say
) -> dict[str, _Samples]:
    """Time all arms in `makes` makes; one that raises and is not fit() or the user's step is left out."""
    found: dict[str, _Samples] = {}
    arms = dict(arms)
    for number in range(1, makes + 1):
        say(f"timing with{'' if with_input else 'out'} input: {number} of {makes}")
        with contextlib.ExitStack() as stack:
            warm: dict[str, Warm] = {}
            # which arm is made first decides where its memory lies
            for name, make in random.Random(number).sample(list(arms.items()), len(arms)):
                try:
                    arm = make()
                    stack.callback(arm.close)
                    warm[name] = warm_up(arm, multiple, BLOCK_SECONDS)
                except CaseError as error:
                    if name != TRACED:
                        raise
                    refused[name] = str(error)
                    del arms[name]
            _make(warm, found, planted=not with_input, turn=number)
    return found


def _make(warm: dict[str, Warm], found: dict[str, _Samples], *, planted: bool, turn: int) -> None:
    """Time the blocks of one make in rounds, each in an order of its own: no arm always follows another."""
    for name, each in warm.items():
        found.setdefault(name, _Samples()).first_calls.append(each.first_call_seconds)
    if planted:
        again = warm[AGAIN]
        pause = PLANTED_SHARE * statistics.median(timed(again.block) for _ in range(3)) / again.steps
        warm = {**warm, PLANTED: Warm(DelayedArm(again.arm, pause), again.first_call_seconds, again.steps)}
        found.setdefault(PLANTED, _Samples()).first_calls.append(again.first_call_seconds)
    names = list(warm)
    for name in names:
        found[name].makes.append([])
    gc.collect()  # else the garbage of one arm's making is collected on another's clock
    chance = random.Random(turn)
    for _ in range(ROUNDS):
        for name in chance.sample(names, len(names)):
            found[name].makes[-1].append(timed(warm[name].block) / warm[name].steps)


def _rows(samples: dict[str, _Samples], rows_of_batch: int, *, with_input: bool) -> list[Row]:
    found = []
    for name in (each for each in ORDER if each in samples):
        own = samples[name]
        seconds = statistics.median(value for make in own.makes for value in make)
        paired = [_ratios(one, two) for one, two in zip(own.makes, samples[FIT].makes, strict=False)]
        ratio = None if name == FIT else ratio_of_makes(paired)
        first = statistics.median(own.first_calls)
        found.append(Row(name, with_input, 1000 * seconds, rows_of_batch / seconds, first, ratio))
    return found


def _ratios(times: Sequence[float], reference: Sequence[float]) -> list[float]:
    return [one / two for one, two in zip(times, reference, strict=True)]
