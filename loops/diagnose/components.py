"""The user's gradients as a sum of fit()'s own parts: the outputs' losses, and those that the model adds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from loops.diagnose.mistake import NO_MISTAKE, Mistake
from loops.diagnose.scale import Gradients, Seen, plain
from loops.diagnose.trainings import Trainings


@dataclass(frozen=True)
class Weighing:
    """By how much the user weighs each part of the loss, where fit() weighs it 1.

    `outputs` are in the order of the flattened outputs, `added` in that of model.losses.
    """

    outputs: tuple[float, ...]
    added: tuple[float, ...]


def weigh(trainings: Trainings, seen: Seen, model: tf.keras.Model, loss: Any) -> Weighing | None:
    """Solve for the weights at the first step that differs; None where no weights explain the gradients.

    `loss` is what compile() gets.
    """
    if not seen.user or seen.first is None:
        return None
    y = trainings.epoch[0].y
    outputs = 0 if loss is None or y is None else len(tf.nest.flatten(y))
    count = outputs + len(model.losses)
    if count < 2:
        return None
    alone = [Weighing(*_split([float(i == part) for i in range(count)], outputs)) for part in range(count)]
    states, at = trainings.reference.states, seen.step - 1
    before, one_step = states[at - 1] if at else None, trainings.one_step()
    try:
        parts = [one_step.gradients(_weighed(each), before, states[at], at) for each in alone]
    except Exception:  # the loss of this model cannot be taken apart so
        return None
    found = solve(seen.user, parts, seen.first.tolerance)
    return Weighing(*_split([plain(value) for value in found], outputs)) if found else None


def _split(values: Sequence[float], outputs: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(values[:outputs]), tuple(values[outputs:])


def _weighed(weighing: Weighing) -> Mistake:
    return replace(NO_MISTAKE, loss_scales=(weighing.outputs, weighing.added))


def solve(user: Gradients, parts: Sequence[Gradients], tolerance: float) -> list[float] | None:
    """The least-squares coefficients of the parts, in float64; None where they leave something over."""
    target = _flat(user, user)
    columns = np.stack([_flat(part, user) for part in parts], axis=1)
    found, _, rank, _ = np.linalg.lstsq(columns, target, rcond=1e-6)
    size = float(np.linalg.norm(target))
    left = float(np.linalg.norm(target - columns @ found))
    if rank < len(parts) or not size or left > tolerance * size:
        return None
    return [float(value) for value in found]


def _flat(gradients: Gradients, like: Gradients) -> np.ndarray:
    """One vector in the order of `like`, zeros where a variable has no gradient."""
    by_index = {name.index: array for name, array in gradients.items()}
    return np.concatenate(
        [np.asarray(by_index.get(n.index, np.zeros_like(a)), np.float64).ravel() for n, a in like.items()]
    )


def weighed_otherwise(weighing: Weighing, names: Sequence[str], tolerance: float) -> Mistake | None:
    """The mistake of other weights; None where they are fit()'s, or all scaled alike."""
    values = [*weighing.outputs, *weighing.added]
    if all(abs(value - values[0]) <= tolerance * abs(values[0]) for value in values):
        return None
    labels = [*names, *(f"model.losses[{index}]" for index, _ in enumerate(weighing.added))]
    odd = {
        label: f"{0 if abs(value) < 10 * tolerance else value:.3g}"
        for label, value in zip(labels, values, strict=True)
        if abs(value - 1) > 10 * tolerance  # a small part is known less well
    }
    told = ", ".join(f"{label} by {value}" for label, value in odd.items())
    name = f"weights of the losses other than fit()'s: {told}"
    if len(weighing.outputs) == 1 and list(odd) == list(names):
        told = f"{weighing.outputs[0]:.4g}"
        name = (
            f"loss of the data scaled by {told}, not the added losses: a sum for a mean, or another divisor"
        )
    return replace(
        _weighed(weighing),
        name=name,
        advice="loss = the outputs' losses, each a mean weighed as compile() says, + sum(model.losses)",
        scaled=True,
    )
