"""What moves the weights beside the optimizer: a decay by hand, or the lack of a constraint.

fit()'s own update with the user's gradients is taken off the change of the weights; the rest is explained.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from loops.case.loading import Case
from loops.diagnose.algebra import groups, plain
from loops.diagnose.mistake import NO_MISTAKE, Mistake
from loops.diagnose.observed import Gradients, norm_of
from loops.diagnose.scene import FACTOR, FLOOR, NUDGES, Scene
from loops.diagnose.stages.losses import variables_named
from loops.diagnose.stages.rates import fit_rates
from loops.parity.states import State


def explain_left_over(scene: Scene, step: int, found: Mistake) -> list[Mistake]:
    """What moves the weights beside the optimizer: a decay by hand, or the lack of a constraint."""
    user = scene.user(step)
    if not user.given or found.by_group or found.accumulate > 1 or found.repeats > 1 or found.per_output:
        return [NO_MISTAKE]
    given = dict(user.given)
    trained = [i for i in scene.trainable if not found.variables or i in given]

    def own(gradients: list[Any], rows: Any) -> list[Any]:
        return [_as_given(gradient, given.get(i)) for i, gradient in zip(trained, gradients, strict=True)]

    asked = replace(found if found is not NO_MISTAKE else NO_MISTAKE, gradients=own)
    if found.unfreeze or (found.variables and set(given) - set(scene.trainable)):
        return [NO_MISTAKE]
    states = [scene.fit(step, asked, nudge).after for nudge in (None, *NUDGES)]
    if states[0] is None:
        return [NO_MISTAKE]
    values, change = scene.values(step), scene.change(step)
    left: dict[int, Any] = {}
    most: dict[int, float] = {}
    moved = [_moved(scene, step, state) for state in states if state]
    for index in scene.trainable:
        if index not in change:
            continue
        left[index] = change[index] - moved[0][index]
        apart = max(norm_of(other[index] - moved[0][index]) for other in moved[1:])
        most[index] = FACTOR * max(apart, FLOOR * norm_of(values[index]), FLOOR * norm_of(change[index]))
    odd = [index for index, array in left.items() if norm_of(array) > most[index]]
    if not odd:
        return [NO_MISTAKE]
    found_decay = _decays(scene, step, left, most, moved[0])
    if any(variable.constraint is not None for variable in scene.model.variables):
        found_decay.append(
            Mistake(
                "constraints left out",
                subtle=True,
                constraints=False,
                advice="update through the optimizer's apply_gradients, which applies the constraints",
            )
        )
    return [*found_decay, NO_MISTAKE]


def _as_given(gradient: Any, given: Any) -> Any:
    """The gradient that the user's optimizer got, as rows where it is a multiple of fit()'s that came so."""
    if given is None or not isinstance(gradient, tf.IndexedSlices):
        return None if given is None else tf.constant(given)
    own = tf.convert_to_tensor(gradient).numpy().astype(np.float64)
    factor = float(np.vdot(own, given) / np.vdot(own, own)) if own.any() else 0.0
    if norm_of(factor * own - given) > 1e-4 * norm_of(given):
        return tf.constant(given)
    values = gradient.values * tf.cast(factor, gradient.dtype)
    return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)


def _moved(scene: Scene, step: int, state: State) -> dict[int, Any]:
    values = scene.values(step)
    return {n.index: array.astype(np.float64) - values[n.index] for n, array in state.weights.items()}


def _decays(
    scene: Scene, step: int, left: Gradients, most: Mapping[int, float], moved: Gradients
) -> list[Mistake]:
    """What is left over as a multiple of the weights, by variable: of those before the update or after it."""
    before = scene.values(step)
    after = {index: before[index] + array for index, array in moved.items()}
    found: list[Mistake] = []
    for last, weights in ((False, before), (True, after)):
        shares = _shares(left, weights, most)
        if shares:
            unseen = [i for i in scene.trainable if not norm_of(weights[i])]
            for extra in ([], unseen) if unseen else ([],):
                found.append(_decay_named(scene, step, shares, extra, last=last))
    return found


def _shares(left: Gradients, weights: Gradients, most: Mapping[int, float]) -> dict[int, float]:
    """What share of each variable is taken off; {} where what is left is no such share."""
    much: dict[int, float] = {}
    for index, array in left.items():
        own = weights[index].astype(np.float64)
        size = norm_of(own)
        share = float(np.vdot(array, own) / size**2) if size else 0.0
        if norm_of(array - share * own) > most[index]:
            return {}
        if abs(share) * size > most[index]:
            much[index] = -share
    for value, indices in groups(much, 2e-2).items():
        middle = float(np.median([much[i] for i in indices]))
        much.update(dict.fromkeys(indices, plain(middle, 1e-3 * abs(value))))
    return much


def _decay_named(
    scene: Scene, step: int, shares: Mapping[int, float], extra: Sequence[int], *, last: bool
) -> Mistake:
    """A decay by hand, of the variables where it was seen and of `extra`, which are zero yet."""
    rate = fit_rates(scene)[step - 1]
    decay = {**shares, **dict.fromkeys(extra, next(iter(shares.values())))}
    told = "; ".join(
        f"{value:.4g} of {variables_named(scene, [*own, *extra])} a step ({abs(value) / rate:.4g} · rate)"
        for value, own in groups(shares, 1e-3).items()
    )
    return Mistake(
        f"weight decay by hand: {told}",
        f"taken off {'after' if last else 'before'} the update",
        decay=decay,
        decay_last=last,
        advice="leave the decay to the optimizer: weight_decay=…, the same in fit()",
    )


def told_as_one(scene: Scene, one: Mistake, two: Mistake, both: Mistake) -> Mistake:
    """A decay by hand in place of the optimizer's own is one mistake, named by what it does otherwise."""
    own = Case(scene.trainings.path).optimizer()
    decay = getattr(own, "weight_decay", None)
    if not two.decay or not decay or not one.name.startswith("weight decay dropped"):
        return both
    fit = {i for i, variable in enumerate(scene.model.variables) if scene.one_step.decays(variable)}
    rate = fit_rates(scene)[0]
    shares = {i: plain(much / rate, 1e-3 * abs(much / rate)) for i, much in two.decay.items()}
    extra = sorted(set(two.decay) - fit)
    less = sorted(i for i in fit & set(scene.trainable) if i not in two.decay)
    other = {i: share for i, share in shares.items() if abs(share - decay) > 2e-3 * decay}
    told = []
    if other:
        told.append(f"other weight decay: {next(iter(other.values())):.4g} by hand, fit() {decay:.4g}")
    if extra:
        told.append(
            f"weight decay on variables that are excluded from it: {variables_named(scene, extra)}, by hand"
        )
    if less:
        told.append(f"weight decay left out on {variables_named(scene, less)}")
    return replace(both, name="; ".join(told) or "weight decay by hand as the optimizer's own", parts=())
