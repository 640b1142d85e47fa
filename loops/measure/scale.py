"""A case on several workers: the same weights as on one, how long a step takes, and the code for it."""

import contextlib
import functools
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loops.case.batches import batch_size
from loops.case.errors import CaseError
from loops.case.keras_state import KerasState
from loops.case.loading import Case
from loops.device import Device
from loops.diagnose.trainings import Trainings
from loops.distribute.cluster import TF_CONFIG, tf_config
from loops.distribute.launch import free_ports
from loops.measure.arms import Arm
from loops.measure.case_process import CaseProcess, arm_of_way, states_of
from loops.measure.engine import fit_of, time_left
from loops.measure.makes import Contestant, Makes, Say
from loops.measure.measurement import AGAIN, STEP
from loops.measure.ratios import Ratio
from loops.measure.sharing import SHARED
from loops.measure.threads import INTRA
from loops.measure.verdict import judged
from loops.measure.ways import shared_step as code
from loops.measure.ways.code import Names
from loops.measure.ways.facts import Facts, read_facts
from loops.measure.ways.grade import Grade, Grader
from loops.measure.ways.trying import FIT, Way, make_arm
from loops.parity.differences import first_divergence
from loops.parity.states import State

MAKES, ROUNDS = 4, 24
IMPORT = "from loops.measure.sharing import strategy\n"  # in place of the line that makes it


@dataclass(frozen=True)
class Scaled:
    """One number of workers: milliseconds a step, and its ratios to fit() and to one worker.

    `same_bits` says whether every worker ended each step at the bits of one, `gather_share` which part of a
    step sending and adding alone takes, None for one worker.
    """

    workers: int
    ms_per_step: float
    to_fit: Ratio
    to_one: Ratio | None
    same_bits: bool
    gather_share: float | None


@dataclass(frozen=True)
class Scaling:
    """What was found of a case whose step has `numbers` gradients, all together.

    `grade` is that of one worker's step against the case's own, `reasons` are layers by which workers may
    differ, `control` is the ratio of fit() to itself.
    """

    case: str
    shards: int
    numbers: int
    verdict: str
    grade: Grade
    reasons: Sequence[str]
    fit_ms: float
    control: Ratio
    step: Ratio
    rows: Sequence[Scaled]
    code: str

    @property
    def bytes_gathered(self) -> int:
        """What each worker holds after a step's gathering: a gradient of float32 for each shard."""
        return 4 * self.numbers * self.shards


def scale(path: Path, counts: Sequence[int], shards: int, say: Say) -> Scaling:
    """Run a case on each number of workers, which share batches in `shards` parts.

    Raises:
        CaseError: the case cannot be run, has no step that can be shared, or batches with fewer rows.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(KerasState.now().restore)
        say("does your step compute what fit() does?")
        verdict = judged(path, Device("cpu", ""))
        say(verdict.words)
        facts = read_facts(path)
        names = _sharable(facts, verdict.trainings, shards)
        assert verdict.trainings
        text = code.shared(names, shards)
        groups = {count: _started(path, count, stack) for count in dict.fromkeys((1, *counts))}
        states: dict[int, list[list[State]]] = {}
        for count, group in groups.items():
            say(f"training on {_workers(count)}")
            states[count] = states_of(group, IMPORT + text)
        grade = Grader(verdict.trainings).states(lambda: states[1][0])
        gather = code.gathering(names, shards, numbers_of(facts))
        makes = _timed(facts, groups, text, gather, say)
        return _found(facts, shards, verdict.words, grade, states, makes, text)


def _sharable(facts: Facts, trainings: Trainings | None, shards: int) -> Names:
    """The names of a step that can be shared.

    Raises:
        CaseError: it cannot; the text says why.
    """
    if facts.names is None or trainings is None:
        raise CaseError(
            f"{facts.path}: has no train_step at the file's top level that trains the model, so there is "
            "nothing to share. `python -m loops diagnose` says more."
        )
    fewest = min(batch_size(batch) for batch in facts.epoch)
    if fewest < shards:
        raise CaseError(
            f"{facts.path}: a batch has {fewest} rows, which cannot be cut into {shards} shards. Give "
            f"--shards {max(n for n in (1, 2, 4) if n <= fewest)}, or larger batches."
        )
    return facts.names


def _workers(count: int) -> str:
    return f"{count} worker{'' if count == 1 else 's'}"


def _started(path: Path, count: int, stack: contextlib.ExitStack) -> list[CaseProcess]:
    """The processes of some workers, which meet on loopback."""
    ports, group = free_ports(count), []
    for rank in range(count):
        described = {TF_CONFIG: tf_config(count, rank, ports)} if count > 1 else {TF_CONFIG: "{}"}
        given = {**described, SHARED: "1", INTRA: "1", "CUDA_VISIBLE_DEVICES": "-1"}
        group.append(CaseProcess(path, f"worker {rank} of {count}", given))
        stack.callback(group[-1].close)
    return group


def _timed(facts: Facts, groups: dict[int, list[CaseProcess]], text: str, gather: str, say: Say) -> Makes:
    fit = functools.partial(fit_of, facts)
    arms = {FIT: Contestant(fit, facts.multiple), AGAIN: Contestant(fit, facts.multiple)}
    arms[STEP] = Contestant(lambda: make_arm(facts, None, with_input=False))
    for count, group in groups.items():
        arms[_workers(count)] = Contestant(_arm_of(group, text))
        if count > 1:
            arms[_sending(count)] = Contestant(_arm_of(group, gather), optional=True)
    makes = Makes(arms)
    began = time.monotonic()
    for number in range(1, MAKES + 1):
        left = f" ({time_left(began, number - 1, MAKES)})" if number > 1 else ""
        say(f"timing: {number} of {MAKES}{left}")
        makes.time(ROUNDS)
    return makes


def _sending(count: int) -> str:
    return f"{_workers(count)}, sending alone"


def _arm_of(group: list[CaseProcess], text: str) -> Callable[[], Arm]:
    way = Way("shared", "step", IMPORT + text)
    return lambda: arm_of_way(group, way, with_input=False)


def _found(
    facts: Facts,
    shards: int,
    verdict: str,
    grade: Grade,
    states: Mapping[int, list[list[State]]],
    makes: Makes,
    text: str,
) -> Scaling:
    fit, one = makes.samples[FIT], makes.samples[_workers(1)]
    rows = []
    for count, own_states in states.items():
        own = makes.samples[_workers(count)]
        alone = makes.samples.get(_sending(count))
        rows.append(
            Scaled(
                count,
                1000 * own.seconds,
                own.ratio(fit),
                own.ratio(one) if count > 1 else None,
                all(first_divergence(states[1][0], each) is None for each in own_states),
                alone.seconds / own.seconds if alone else None,
            )
        )
    return Scaling(
        facts.path.name,
        shards,
        numbers_of(facts),
        verdict,
        grade,
        (*facts.meet, *facts.random, *_changes(facts)),
        1000 * fit.seconds,
        makes.samples[AGAIN].ratio(fit),
        makes.samples[STEP].ratio(fit),
        rows,
        text,
    )


def _changes(facts: Facts) -> list[str]:
    """What the step does to its gradients before it updates by them, which each shard then does by itself."""
    step = Case(facts.path).train_step
    try:
        source = inspect.getsource(inspect.unwrap(getattr(step, "python_function", step)))  # type: ignore[arg-type]
    except (OSError, TypeError):
        return []
    clips = "clip" in source
    return (
        ["your step clips gradients, each shard its own: give the optimizer global_clipnorm"] if clips else []
    )


def numbers_of(facts: Facts) -> int:
    """How many numbers the gradients of the case's model have."""
    model = Case(facts.path).model(facts.epoch[0], facts.start)
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
