"""Times a case's own step, and the fastest way found to run it, against fit()."""

import contextlib
import functools
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from loops.case.batches import batch_size
from loops.case.errors import CaseError
from loops.case.keras_state import KerasState
from loops.case.loading import Case
from loops.device import Device
from loops.diagnose.step import keras_own
from loops.measure import case_arms
from loops.measure.arms import Arm
from loops.measure.bound import Bounds
from loops.measure.case_process import CaseProcess
from loops.measure.counting import work_of
from loops.measure.floor import Processor
from loops.measure.makes import Contestant, Makes, Planted, Samples, Say
from loops.measure.measurement import AGAIN, PLANTED, PLANTED_SHARE, STEP, Measurement, Row
from loops.measure.parts import Parts, parts_of
from loops.measure.peak import FIT as FIT_ITSELF
from loops.measure.peak import PeakProcess
from loops.measure.rates import measured_processor
from loops.measure.retraces import retraces_of
from loops.measure.threads import SETTINGS, process_with
from loops.measure.verdict import judged
from loops.measure.ways.facts import Facts, read_facts
from loops.measure.ways.trying import FIT, Processes, Search, Tried, Way, make_arm, multiple_of

MAKES, MAKES_WITH_INPUT = 6, 4
ROUNDS = 24  # blocks of each arm in a make: their medians then differ by 2 to 3 % from make to make
CPU = Device("cpu", "")


def measure(
    path: Path,
    say: Say = lambda line: None,
    *,
    ways: bool = True,
    device: Device = CPU,
    assumed: Sequence[Processor] | None = None,
) -> Measurement:
    """Time fit() and the case's own step on its own batches, and say whether the two compute the same.

    With `ways`, ways to run it faster are graded and timed, and the best is timed beside the others. With
    `assumed`, which may be empty, the step's work is counted, and held against this processor's own rates
    and those that are assumed.

    Raises:
        CaseError: the case cannot be run.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(KerasState.now().restore)  # a case may have set a dtype policy
        processes: dict[str, CaseProcess] = {}
        if ways and device.kind == "cpu":  # their TensorFlow starts while nothing is timed
            for name in SETTINGS:
                processes[name] = process_with(path, name)
                stack.callback(processes[name].close)
        return _measure(path, say, processes, ways=ways, device=device, assumed=assumed)


def _measure(
    path: Path,
    say: Say,
    processes: Processes,
    *,
    ways: bool,
    device: Device,
    assumed: Sequence[Processor] | None,
) -> Measurement:
    say("does your step compute what fit() does?")
    with contextlib.ExitStack() as stack:  # their memory, while nothing is timed
        beside = {name: _peak_of(path, arm, device, stack) for name, arm in ((FIT, FIT_ITSELF), (STEP, None))}
        verdict = judged(path, device)
        say(verdict.words)
        peaks = {name: process.result().bytes for name, process in beside.items()}
    facts = read_facts(path)
    size = batch_size(facts.epoch[0])
    best = best_own = None
    tried: list[Tried] = []
    if ways and verdict.trainings:
        search = Search(
            verdict.trainings,
            facts,
            functools.partial(fit_of, facts),
            say,
            processes,
            identical=verdict.identical,
        )
        best, tried = search.best(), search.tried
        if best and best.kind == "fit":
            best_own = search.best_own()
    if best:
        say(f"memory of {best.name}")
        with contextlib.ExitStack() as stack:
            peaks[best.name] = _peak_of(path, best, device, stack).result().bytes
    rows = []
    for with_input in (False, True):
        samples = _timed(facts, best, processes, with_input=with_input, say=say)
        rows += _rows(samples, size, best, peaks, with_input=with_input)
    say("where does your step go?")
    parts, retraces = _parts(facts), retraces_of(facts)
    return Measurement(
        path.name,
        size,
        rows,
        facts.eager,
        verdict.words,
        verdict.identical,
        tried,
        best,
        device=device.kind,
        device_name=device.name,
        parts=parts,
        retraces=retraces,
        best_own=best_own,
        bounds=None if assumed is None else _bounds(facts, device, assumed),
    )


def _peak_of(path: Path, way: Way | str | None, device: Device, stack: contextlib.ExitStack) -> PeakProcess:
    process = PeakProcess(path, way, device.kind)
    stack.callback(process.close)
    return process


def _parts(facts: Facts) -> Parts:
    return parts_of(lambda: Case(facts.path), list(facts.epoch), facts.start)


def _bounds(facts: Facts, device: Device, assumed: Sequence[Processor]) -> Bounds | None:
    """None where the step cannot be traced, which the line of its parts says already."""
    try:
        work = work_of(Case(facts.path), facts.epoch, facts.start)
    except CaseError:
        return None
    return Bounds(work, measured_processor(device.name or device.kind), tuple(assumed))


def fit_of(facts: Facts, *, with_input: bool = False) -> Arm:
    """fit() of the case; Keras's own step where the model's is what is examined."""
    step = None if facts.has_step else keras_own
    return case_arms.fit_arm(
        Case(facts.path), list(facts.epoch), facts.start, with_input=with_input, make_step=step
    )


def _timed(
    facts: Facts, best: Way | None, processes: Processes, *, with_input: bool, say: Say
) -> Mapping[str, Samples]:
    """Time fit() twice, the step and the best way, each made anew several times."""
    fit = functools.partial(fit_of, facts, with_input=with_input)
    arms = {name: Contestant(fit, facts.multiple) for name in (FIT, AGAIN)}
    for name, way in {STEP: None, **({best.name: best} if best else {})}.items():
        own = functools.partial(make_arm, facts, way, with_input=with_input, processes=processes)
        arms[name] = Contestant(own, multiple_of(facts, way), optional=way is not None)
    makes = Makes(arms, None if with_input else Planted(PLANTED, AGAIN, PLANTED_SHARE))
    count = MAKES_WITH_INPUT if with_input else MAKES
    began = time.monotonic()
    for number in range(1, count + 1):
        left = f" ({time_left(began, number - 1, count)})" if number > 1 else ""
        say(f"timing with{'' if with_input else 'out'} input: {number} of {count}{left}")
        makes.time(ROUNDS)
    return makes.samples


def time_left(began: float, done: int, count: int) -> str:
    """How long the rest of `count` makes will take, by those that are done."""
    seconds = (time.monotonic() - began) / done * (count - done)
    return f"{seconds:.0f} s left" if seconds < 100 else f"{seconds / 60:.0f} min left"


def _rows(
    samples: Mapping[str, Samples],
    size: int,
    best: Way | None,
    peaks: Mapping[str, int | None],
    *,
    with_input: bool,
) -> list[Row]:
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
                [1000 * statistics.median(make) for make in own.makes],
                peaks.get(name) if with_input else None,
            )
        )
    return found
