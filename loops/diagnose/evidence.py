"""What a diagnosis says beside its cause: how the trainings differ, and what could not be seen or tried."""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from loops.case.loading import Case
from loops.case.running import train_by_fit, train_by_step
from loops.diagnose.search import NotReplayed
from loops.diagnose.trainings import ROUNDING, Trainings
from loops.parity.differences import Divergence, first_divergence


def describe(trainings: Trainings, divergence: Divergence) -> list[str]:
    """Where the trainings differ first, and how the difference grows."""
    count = len(divergence.found)
    steps = [s for s in (1, 2, 3, 5, 10, 20, 50, 100) if divergence.step < s <= len(trainings.fit)]
    growth = [f"step {s}: {trainings.departure(s):.2g}" for s in [divergence.step, *steps]]
    return [
        f"first divergence: step {divergence.step}, {divergence.kind}, variables that differ: {count}",
        f"furthest off: {divergence.worst}",
        "distance from fit() over distance travelled: " + ", ".join(growth),
    ]


def gradients(trainings: Trainings, divergence: Divergence) -> list[str]:
    """Whether the gradients differ first, which tells the forward and backward pass from the update."""
    path, epoch, start, steps = trainings.path, trainings.epoch, trainings.start, divergence.step
    _, fit = train_by_fit(Case(path), epoch, steps, start, gradients=True)
    user = train_by_step(Case(path), epoch, steps, start, trainings.mode, gradients=True)
    if not any(array.any() for state in user for array in state.gradients.values()):
        return ["gradients: none reached the optimizer that make_optimizer() gave"]
    found = first_divergence(fit, user)
    if found is None or found.kind != "gradients" or found.worst.relative < ROUNDING:
        return [f"gradients: agree up to step {steps} but for rounding; it is the update that differs"]
    return [f"gradients: differ first at step {found.step}, in {len(found.found)}; most in {found.worst}"]


def order_of_batches(trainings: Trainings) -> list[str]:
    """A note where batches() yields something else each time it is iterated."""
    case = Case(trainings.path)
    one, two = (tf.nest.flatten(case.epoch(len(trainings.epoch))) for _ in range(2))
    if len(one) == len(two) and all(np.array_equal(a, b) for a, b in zip(one, two, strict=True)):
        return []
    return ["note: batches() yields another order each time; both trainings saw its first one"]


def end_unseen(trainings: Trainings) -> list[str]:
    """A note where no step comes after an epoch's end."""
    steps = len(trainings.fit)
    if len(trainings.epoch) < steps:
        return []
    return [f"note: {steps} steps end within the first epoch; what a new epoch does was not seen (--steps)"]


def not_replayed(mistakes: Iterable[NotReplayed]) -> list[str]:
    """The known mistakes that were not ruled out by a replay, because they could not be replayed, and why.

    Those that do not apply to the model are grouped by name, with the reason of the first of each.
    """
    lines: list[str] = []
    refused: dict[str, list[NotReplayed]] = {}
    for each in mistakes:
        if each.does_not_apply:
            refused.setdefault(each.mistake.name, []).append(each)
        else:
            lines.append(f"the replay of {each.mistake} broke and does not rule it out: {each.reason}")
    if refused:
        count = sum(map(len, refused.values()))
        subject = "1 known mistake does" if count == 1 else f"{count} known mistakes do"
        lines.append(f"{subject} not apply to this model:")
    for name, group in refused.items():
        details = ", ".join(each.mistake.detail for each in group if each.mistake.detail)
        lines.append(f"  {name}{f' ({details})' if details else ''}: {group[0].reason}")
    return lines
