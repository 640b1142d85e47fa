"""How often a case's tf.function is traced in a pass over its batches, and for which of them."""

import functools
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from loops.case.batches import Batch
from loops.case.errors import CaseError
from loops.case.loading import Case
from loops.case.running import is_graph_function
from loops.measure.ways.facts import CHECKED, Facts

MANY = 4  # shapes that are named
OLD_SHAPES = "something that it takes or reads as a Python value changes"


@dataclass(frozen=True)
class Retraces:
    """How often the step was traced again after its first call, in `batches` calls, for which shapes.

    `of_old_shapes` counts those for a batch whose shapes had been traced already.
    """

    batches: int
    shapes: tuple[str, ...]
    of_old_shapes: int = 0

    @property
    def count(self) -> int:
        """All traces after the first call's."""
        return len(self.shapes) + self.of_old_shapes

    def sentence(self) -> str:
        """What the table says; empty where nothing is traced again."""
        if not self.count:
            return ""
        times = "time" if self.count == 1 else "times"
        found = f"retraces: your step is traced {self.count} more {times} in {self.batches} batches"
        if self.shapes:
            more = ", …" if len(self.shapes) > MANY else ""
            found += f", for batches of {', '.join(self.shapes[:MANY])}{more}"
        if self.of_old_shapes:
            found += f"; {self.of_old_shapes} of them for shapes that it had seen: {OLD_SHAPES}"
        return found


def retraces_of(facts: Facts) -> Retraces | None:
    """Count the traces of the case's own step; None where it is no tf.function, or raises."""
    try:
        case = Case(facts.path)
        model, optimizer = case.model(facts.epoch[0], facts.start), case.optimizer()
        if not is_graph_function(case.train_step):
            return None
        return counted(case, model, optimizer, list(facts.epoch[:CHECKED]))
    except CaseError:
        return None


def counted(case: Case, model: Any, optimizer: Any, batches: list[Batch]) -> Retraces:
    """Call the step on each batch, and look after each how often it was traced."""
    function: Any = case.train_step  # a tf.function, which has no public type
    seen, new, old, before = set(), [], 0, 0
    for number, batch in enumerate(batches):
        data = batch.data()
        case.run("train_step", functools.partial(case.step, model, optimizer, *data))
        count = function.experimental_get_tracing_count()
        shapes = " and ".join(str(tuple(part.shape)) for part in tf.nest.flatten(data))
        if number and count > before:
            if shapes in seen:
                old += 1
            else:
                new.append(shapes)
        seen.add(shapes)
        before = count
    return Retraces(len(batches), tuple(new), old)
