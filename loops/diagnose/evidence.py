"""What a diagnosis says beside its cause: how the trainings differ, and what could not be seen or tried."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from loops.case.loading import Case
from loops.diagnose.search import NotReplayed
from loops.diagnose.trainings import Trainings
from loops.parity.differences import Divergence


def describe(trainings: Trainings, divergence: Divergence) -> list[str]:
    """Where the trainings differ first, and how the difference grows."""
    count = len(divergence.found)
    steps = [s for s in (1, 2, 3, 5, 10, 20, 50, 100) if divergence.step < s <= trainings.steps]
    growth = [f"step {s}: {trainings.departure(s):.2g}" for s in [divergence.step, *steps]]
    return [
        f"first divergence: step {divergence.step}, {divergence.kind}, variables that differ: {count}",
        f"furthest off: {divergence.worst}",
        "distance from fit() over distance travelled: " + ", ".join(growth),
    ]


def order_of_batches(trainings: Trainings) -> list[str]:
    """A note where batches() yields something else each time it is iterated."""
    case = Case(trainings.path)
    passes = (case.epoch(len(trainings.epoch)) for _ in range(2))
    one, two = (tf.nest.flatten([batch.data() for batch in own]) for own in passes)
    if len(one) == len(two) and all(np.array_equal(a, b) for a, b in zip(one, two, strict=True)):
        return []
    return ["note: batches() yields another order each time; both trainings saw its first one"]


def end_unseen(trainings: Trainings) -> list[str]:
    """A note where no step comes after an epoch's end."""
    steps = trainings.steps
    if len(trainings.epoch) < steps:
        return []
    return [f"note: {steps} steps end within the first epoch; what a new epoch does was not seen (--steps)"]


def not_replayed(mistakes: Iterable[NotReplayed]) -> list[str]:
    """The known mistakes that a replay did not rule out, because it could not run.

    Those that make no sense on this model are counted and named; a replay that broke is shown with its error.
    """
    lines: list[str] = []
    refused: list[str] = []
    for each in mistakes:
        if each.does_not_apply:
            refused.append(each.mistake.name)
        else:
            lines.append(f"the replay of {each.mistake} broke and does not rule it out: {each.reason}")
    if refused:
        counts = Counter(refused)
        names = [f"{name} ({count} ways)" if count > 1 else name for name, count in counts.items()]
        subject = "1 known mistake does" if len(refused) == 1 else f"{len(refused)} known mistakes do"
        lines.append(f"{subject} not apply to this model: {', '.join(names)}")
    return lines
