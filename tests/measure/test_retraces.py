"""How often a tf.function is traced again in a pass, and for which batches."""

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from loops.case.loading import Batch, Case
from loops.measure.retraces import Retraces, counted, retraces_of
from loops.measure.ways.facts import read_facts
from tests.case.sources import write
from tests.measure.test_ways import case_with

TRACED = "\ntrain_step = tf.function(train_step)\n"


def of_case(folder: Path, more: str) -> Retraces | None:
    source = case_with(folder).read_text(encoding="utf-8")
    return retraces_of(read_facts(write(folder, source + more)))


def test_a_partial_last_batch_is_named(tmp_path: Path) -> None:
    found = of_case(tmp_path, TRACED)
    assert found == Retraces(4, ("(4, 6) and (4, 1)",))
    assert found.sentence() == (
        "retraces: your step is traced 1 more time in 4 batches, for batches of (4, 6) and (4, 1)"
    )


def test_an_open_batch_size_is_traced_less_often_and_a_plain_function_never(tmp_path: Path) -> None:
    sizes = "\ndef batches(): return ((X[:rows], Y[:rows]) for rows in (12, 9, 6, 3))\n"
    counts = []
    for more in (TRACED, TRACED.replace("train_step)", "train_step, reduce_retracing=True)")):
        found = of_case(tmp_path, sizes + more)
        assert found
        counts.append(found.count)
    assert counts == [3, 1]  # the second shape makes the size open
    assert of_case(tmp_path, "") is None


def test_traces_for_shapes_that_were_seen_are_told_apart() -> None:
    """A step that takes its number as a Python value: as many traces as calls."""

    @tf.function
    def numbered(number: int, x: tf.Tensor) -> tf.Tensor:
        return x * number

    class Numbered(Case):
        def __init__(self) -> None:
            self.train_step, self.calls = numbered, 0

        def run(self, name: str, function: Callable[[], object]) -> object:
            return function()

        def step(self, model: object, optimizer: object, *data: tf.Tensor) -> object:
            self.calls += 1
            return numbered(self.calls, *data)

    batches = [Batch(tf.zeros((rows, 1))) for rows in (4, 4, 2, 4)]
    found = counted(Numbered(), None, None, batches)
    assert found == Retraces(4, ("(2, 1)",), 2)
    assert found.sentence().endswith(
        "2 of them for shapes that it had seen: something that it takes or reads as a Python value changes"
    )
    assert not Retraces(4, ()).sentence()
