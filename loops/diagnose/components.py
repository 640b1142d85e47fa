"""The user's gradients as a sum of fit()'s own parts: the outputs' losses, and those that the model adds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from loops.diagnose.mistake import NO_MISTAKE, Mistake
from loops.diagnose.scale import Gradients, Seen
from loops.diagnose.trainings import Trainings


@dataclass(frozen=True)
class Weighing:
    """By how much the user weighs each part of the loss, where fit() weighs it 1.

    `outputs` are in the order of the flattened outputs; `added` is for
    model.losses, None where there are none.
    """

    outputs: tuple[float, ...]
    added: float | None

    @property
    def scales(self) -> tuple[float, ...]:
        """As the mistake takes them: the outputs', then that of the added losses."""
        return (*self.outputs, 1.0 if self.added is None else self.added)


def weigh(trainings: Trainings, seen: Seen, model: tf.keras.Model) -> Weighing | None:
    """Solve for the weights at the first step that differs; None where no weights explain the gradients."""
    if not seen.user or seen.first is None:
        return None
    outputs = len(tf.nest.flatten(trainings.epoch[0].y))
    scales = [tuple(float(i == part) for i in range(outputs + 1)) for part in range(outputs)]
    if model.losses:
        scales.append((*[0.0] * outputs, 1.0))
    if len(scales) < 2:
        return None
    states, at = trainings.reference.states, seen.step - 1
    before = states[at - 1] if at else None
    one_step = trainings.one_step()
    try:
        parts = [
            one_step.gradients(replace(NO_MISTAKE, loss_scales=each), before, states[at], at)
            for each in scales
        ]
    except Exception:  # the loss of this model cannot be taken apart so
        return None
    found = solve(seen.user, parts, seen.first.tolerance)
    if found is None:
        return None
    return Weighing(tuple(found[:outputs]), found[outputs] if model.losses else None)


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
    values = [*weighing.outputs, *([] if weighing.added is None else [weighing.added])]
    if all(abs(value - values[0]) <= tolerance * abs(values[0]) for value in values):
        return None
    labels = [*names, "added losses (model.losses)"][: len(values)]
    odd = {
        label: value
        for label, value in zip(labels, values, strict=True)
        if abs(value - 1) > 10 * tolerance  # a small part is known less well
    }
    told = ", ".join(f"{label} by {value:.3g}" for label, value in odd.items())
    single = len(weighing.outputs) == 1
    data_alone = single and list(odd) == list(names[:1])
    name = (
        f"loss of the data scaled by {weighing.outputs[0]:.4g}, not the added losses: a sum for a mean, "
        "or another divisor"
        if data_alone
        else f"weights of the losses other than fit()'s: {told}"
    )
    return Mistake(
        name,
        loss_scales=weighing.scales,
        advice="loss = the outputs' losses, each a mean weighed as compile() says, + sum(model.losses)",
        scaled=True,
    )
