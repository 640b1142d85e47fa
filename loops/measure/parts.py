"""Where a step's time goes: the case's own step, cut short before its update and before its backward pass."""

import contextlib
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from loops.case.batches import Batch
from loops.case.errors import CaseError
from loops.case.loading import Case, Start
from loops.case.observing import OPTIMIZER, replaced
from loops.measure import case_arms
from loops.measure.arms import Arm, FunctionArm
from loops.measure.makes import Contestant, Makes

INPUT, FORWARD, BACKWARD, UPDATE = "input", "forward", "backward", "update"
WHOLE, NO_UPDATE, ONLY_FORWARD = "whole", "no update", "only forward"
ROUNDS = 24


@dataclass(frozen=True)
class Part:
    """Milliseconds a step that one part takes, and its share of the whole step without input."""

    name: str
    ms_per_step: float
    share: float


@dataclass(frozen=True)
class Parts:
    """The parts of a step, of the graph of it where the step is eager; or why there are none."""

    parts: tuple[Part, ...] = ()
    why_not: str = ""

    def sentence(self, *, eager: bool = False) -> str:
        """The parts in one line."""
        if self.why_not:
            return f"where your step goes: not measured, {self.why_not}"
        told = ", ".join(f"{each.name} {each.ms_per_step:.3f} ms ({each.share:.0%})" for each in self.parts)
        whose = "the graph of your step goes (as it stands, it runs eagerly)" if eager else "your step goes"
        return f"where {whose}: {told}"


def parts_of(make_case: Callable[[], Case], epoch: list[Batch], start: Start) -> Parts:
    """Time the parts of a case's step on its first batch, in one make: medians, without an interval.

    The step is traced three times: as it is, with optimizers that keep what they are given, and with tapes
    that give zeros besides, for which no backward pass is built. The input is what batches() takes to
    yield a batch while nothing is trained.
    """
    kept = _Kept()
    arms: dict[str, Contestant] = {}
    for name in (WHOLE, NO_UPDATE, ONLY_FORWARD):
        arms[name] = Contestant(lambda name=name: _cut_arm(make_case(), epoch, start, name, kept))  # type: ignore[misc]
    arms[INPUT] = Contestant(lambda: case_arms.input_arm(make_case()), optional=True)
    makes = Makes(arms)
    try:
        makes.time(ROUNDS)
    except CaseError as error:
        return Parts(why_not=str(error).partition("\n")[0])
    except (ValueError, TypeError, AttributeError, tf.errors.OpError) as error:
        return Parts(why_not=f"it cannot be cut short ({str(error).partition(chr(10))[0][:120]})")
    ms = {name: 1000 * statistics.median(own.makes[0]) for name, own in makes.samples.items()}
    return Parts(tuple(_told(ms, updates=kept.updates)))


@dataclass
class _Kept:
    """Whether a Keras optimizer was seen to update."""

    updates: bool = False


def _told(ms: dict[str, float], *, updates: bool) -> Iterator[Part]:
    whole = ms[WHOLE]
    if INPUT in ms:
        yield Part(INPUT, ms[INPUT], ms[INPUT] / whole)
    yield Part(FORWARD, ms[ONLY_FORWARD], ms[ONLY_FORWARD] / whole)
    rest = {BACKWARD: ms[NO_UPDATE] - ms[ONLY_FORWARD], UPDATE: whole - ms[NO_UPDATE]}
    if not updates:  # by hand, so that nothing tells where the backward pass ends
        rest = {f"{BACKWARD} and {UPDATE}": whole - ms[ONLY_FORWARD]}
    for name, left in rest.items():
        yield Part(name, max(left, 0.0), max(left, 0.0) / whole)


def _cut_arm(case: Case, epoch: list[Batch], start: Start, name: str, kept: _Kept) -> Arm:
    """The step in one graph, whole or cut short; it returns all that must be computed."""
    step = case_arms.traceable_step(case, epoch, start)

    @tf.function
    def cut(*batch: Any) -> Any:
        if name == WHOLE:
            return step(*batch)
        needed: list[Any] = []
        with _short(needed, kept, forward=name == ONLY_FORWARD):
            report = step(*batch)
        return report, needed

    data = epoch[0].data()
    return case_arms.CaseArm(case, "train_step", FunctionArm(lambda: cut(*data)).run, lambda: None)


@contextlib.contextmanager
def _short(needed: list[Any], kept: _Kept, *, forward: bool) -> Iterator[None]:
    """A context in which no optimizer updates, and with `forward` no tape goes backward.

    `needed` gets the gradients, or the values that were to be differentiated.
    """

    def applying(_: Any, optimizer: Any, grads: Any, variables: Any = None, **__: Any) -> Any:
        kept.updates = True
        if not forward:
            needed.extend(getattr(each, "values", each) for each in grads if each is not None)
        return optimizer.iterations

    def differentiating(gradient: Any, tape: Any, target: Any, sources: Any, **rest: Any) -> Any:
        if not forward:
            return gradient(tape, target, sources, **rest)
        needed.extend(tf.nest.flatten(target))
        return tf.nest.map_structure(tf.zeros_like, sources)

    with (
        replaced(OPTIMIZER, "apply", applying),
        replaced(tf.GradientTape, "gradient", differentiating),
    ):
        yield
