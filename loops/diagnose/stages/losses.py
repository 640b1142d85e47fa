"""The loss: the user's gradients as a sum of what fit() adds up, each part with a weight of its own.

With g the gradient that the user's tape gave, the parts are the gradients of the outputs' losses L, of the
losses A that the model adds, and the weights w themselves, which an L2 penalty brings in:

    g = Σ c · ∇L + Σ a · ∇A + λ · w + μ · sign(w)

In fit() all c and a are 1 (times loss_weights, which the parts hold), all λ and μ are 0.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from loops.diagnose.algebra import Solution, groups, plain
from loops.diagnose.mistake import NO_MISTAKE, Mistake, Penalty, together
from loops.diagnose.observed import Gradients, norm_of
from loops.diagnose.scene import Scene
from loops.diagnose.stages.divisors import explain_scale
from loops.diagnose.stages.setting import ONE, Setting, is_one

MEAN = "{loss} = {loss_fn}({y}, {predictions}): Keras's own mean over all rows (and pixels, and time steps)"
WEIGHTS = "{loss} = the outputs' losses, each a mean weighed as compile() says, + sum({model}.losses)"
ADDED = "{loss} = {loss_value} + sum({model}.losses)"
NO_PENALTY = (
    "leave the penalty out, or give it to fit() too: Dense(…, kernel_regularizer=keras.regularizers.L2(…))"
)


def explain_weights(at: Setting) -> list[Mistake]:
    """What weighs the parts of the loss otherwise, or adds a penalty to them."""
    columns = at.columns(at.parts)
    if not columns:
        return []
    seen = [place for place, column in enumerate(columns) if _is_seen(at, column)]
    found = at.solve([columns[place] for place in seen])
    if found:
        return _weighed(at, _filled(at, found, seen, len(columns)))
    return _penalised(at, columns, seen)


def _is_seen(at: Setting, column: Gradients) -> bool:
    """Whether a part of the loss has a gradient at the variables that the user's step has gradients of."""
    return any(index in column and column[index].any() for index in at.target)


def _filled(at: Setting, found: Solution, seen: Sequence[int], count: int) -> Solution:
    """The coefficients of all parts: one that is not seen is that of the others of its kind, or fit()'s."""

    def other(place: int) -> float:
        added = place >= at.outputs
        alike = {round(found.values[n], 6) for n, p in enumerate(seen) if (p >= at.outputs) == added}
        return alike.pop() if len(alike) == 1 else 1.0

    places = {place: number for number, place in enumerate(seen)}
    values = [found.values[places[p]] if p in places else other(p) for p in range(count)]
    errors = [found.errors[places[p]] if p in places else 0.0 for p in range(count)]
    shares = [found.shares[places[p]] if p in places else 0.0 for p in range(count)]
    return Solution(tuple(values), tuple(errors), tuple(shares))


def _weighed(at: Setting, found: Solution) -> list[Mistake]:
    data, added = found.values[: at.outputs], found.values[at.outputs :]
    errors = found.errors
    odd = [i for i, value in enumerate(found.values) if not is_one(value, errors[i])]
    if not odd:
        return [NO_MISTAKE]
    if all(_alike(value, data[0] if data else added[0], errors[i]) for i, value in enumerate(found.values)):
        return explain_scale(at, found.values[0], errors[0], of_all=True)
    odd_data = [i for i in odd if i < at.outputs]
    parts: list[list[Mistake]] = []
    if odd_data:
        alike = all(_alike(value, data[0], errors[i]) for i, value in enumerate(data))
        parts.append(explain_scale(at, data[0], errors[0], of_all=False) if alike else [_outputs(at, found)])
    if len(odd) > len(odd_data):
        parts.append([_added(at, added, errors[at.outputs :])])
    return _products(parts)


def _products(parts: Sequence[list[Mistake]]) -> list[Mistake]:
    found = [NO_MISTAKE]
    for options in parts:
        found = [both for one in found for two in options if (both := together(one, two))]
    return found


def _alike(value: float, other: float, error: float) -> bool:
    return abs(value - other) <= max(ONE * abs(other), 3 * error)


def output_names(at: Setting) -> list[str]:
    """The outputs' names in the order of the flattened targets."""
    y = at.scene.batch(at.step).y
    if isinstance(y, dict):
        return [f"`{name}`" for name in sorted(y)]
    return [str(number) for number, _ in enumerate(tf.nest.flatten(y), start=1)]


def _outputs(at: Setting, found: Solution) -> Mistake:
    """Outputs weighed otherwise than by compile()."""
    factors = at.scene.one_step.factors(at.outputs)
    of_added = [1.0] * (len(found.values) - len(factors))
    values = [
        plain(value * factor, error * factor) / factor if factor else value
        for value, error, factor in zip(found.values, found.errors, [*factors, *of_added], strict=True)
    ]
    values = [0.0 if abs(v) < max(ONE, 3 * e) else v for v, e in zip(values, found.errors, strict=True)]
    told, forgotten, left_out = [], any(factor != 1 for factor in factors), []
    for name, value, factor in zip(output_names(at), values, factors, strict=False):
        forgotten = forgotten and is_one(value * factor, 0.0)
        if not value:
            left_out.append(name)
        elif not is_one(value, 0.0):
            told.append(f"output {name} weighs {plain(value * factor):.4g}, fit() {factor:.4g}")
    name = f"weights of the losses other than fit()'s: {', '.join(told)}"
    if left_out:
        rest = f"; {', '.join(told)}" if told else ""
        name = f"an output's loss left out: output {', '.join(left_out)}{rest}"
    elif forgotten:
        name = f"loss_weights of compile() not applied: {', '.join(told)}"
    ones = tuple(1.0 for _ in at.scene.model.losses)
    return Mistake(name, loss_scales=(tuple(values[: at.outputs]), ones), advice=WEIGHTS)


def _added(at: Setting, values: Sequence[float], errors: Sequence[float]) -> Mistake:
    """Losses of model.losses weighed otherwise than by 1."""
    plains = [plain(value, error) for value, error in zip(values, errors, strict=True)]
    kept = [
        1.0 if is_one(v, e) else 0.0 if abs(v) <= max(ONE, 3 * e) else v
        for v, e in zip(plains, errors, strict=True)
    ]
    odd = {i: value for i, value in enumerate(kept) if value != 1.0}
    if all(value == 0 for value in kept):
        name = "model.losses left out"
    elif all(value == 2 for value in kept):
        name = "model.losses added twice"
    elif len(set(kept)) == 1:
        name = f"model.losses scaled by {kept[0]:.4g} (added losses: regularisation, KL)"
    elif set(odd.values()) == {0.0}:
        name = f"model.losses left out in part: number {', '.join(str(i + 1) for i in odd)} of {len(kept)}"
    else:
        told = ", ".join(f"model.losses[{i}] weighs {value:.4g}" for i, value in odd.items())
        name = f"weights of the added losses other than fit()'s: {told}"
    ones = tuple(1.0 for _ in range(at.outputs))
    return Mistake(name, loss_scales=(ones, tuple(kept)), advice=ADDED, subtle=True)


def _penalised(at: Setting, columns: Sequence[Gradients], seen: Sequence[int]) -> list[Mistake]:
    """Parts of the loss, and multiples of the weights or of their signs."""
    values = at.scene.values(at.step)
    trained = [i for i in at.target if norm_of(values[i])]
    for kind in ("values", "signs", "both"):
        shapes: list[tuple[int, str]] = []
        extra: list[Gradients] = []
        for index in trained:
            own = values[index].astype(np.float64)
            if kind != "signs":
                shapes.append((index, "values"))
                extra.append({index: own})
            uneven = not np.allclose(np.abs(own), np.abs(own).ravel()[0])  # else both columns are one
            if kind == "signs" or (kind == "both" and uneven):
                shapes.append((index, "signs"))
                extra.append({index: np.sign(own)})
        found = at.solve([*(columns[place] for place in seen), *extra])
        if found is None:
            continue
        count = len(seen)
        rest = _weighed(at, _filled(at, found.part(0, count), seen, len(columns)))
        penalties = _penalties(at, shapes, found.part(count, len(found.values)))
        return _products([rest, penalties]) if penalties else []
    return []


def _penalties(at: Setting, shapes: Sequence[tuple[int, str]], found: Solution) -> list[Mistake]:
    by_kind: dict[str, dict[int, float]] = {"values": {}, "signs": {}}
    for (index, kind), value, error, share in zip(
        shapes, found.values, found.errors, found.shares, strict=True
    ):
        if abs(value) > 3 * error and share > 1:
            by_kind[kind][index] = plain(value, error)
    return penalties_named(at.scene, at.step, by_kind["values"], by_kind["signs"])


def penalties_named(
    scene: Scene,
    step: int,
    of_values: Mapping[int, float],
    of_signs: Mapping[int, float],
    *,
    gradients: bool = False,
) -> list[Mistake]:
    """An L2 or L1 penalty by hand, where it was seen, and perhaps on variables that are zero yet."""
    if not of_values and not of_signs:
        return []
    told = []
    for kind, found in (("L2", of_values), ("L1", of_signs)):
        for value, indices in groups(found, 1e-2).items():
            middle = plain(float(np.median([found[i] for i in indices])), 1e-3 * abs(value))
            told.append((kind, middle, indices))
    weights = scene.values(step)
    unseen = [i for i in scene.trainable if not norm_of(weights[i])]
    options = []
    for extra in ([], unseen) if unseen else ([],):
        penalties: dict[int, Penalty] = {}
        words = []
        for kind, value, indices in told:
            which = [*indices, *extra]
            for index in which:
                own = penalties.get(index, Penalty())
                penalties[index] = own._replace(**{"of_values" if kind == "L2" else "of_signs": value})
            words.append(
                f"{value:.4g} · {'w' if kind == 'L2' else 'sign(w)'} on {variables_named(scene, which)}"
            )
        kinds = "/".join(dict.fromkeys(kind for kind, *_ in told))
        where = (
            "added to the gradients (weight decay in the gradient)"
            if gradients
            else "in the gradient of the loss"
        )
        options.append(
            Mistake(
                f"{kinds} penalty by hand, {where}: {'; '.join(words)}",
                penalties=penalties,
                advice=NO_PENALTY,
            )
        )
    return options


def variables_named(scene: Scene, indices: Sequence[int]) -> str:
    """Which variables, in words."""
    trained = scene.trainable
    if set(indices) >= set(trained):
        return "all variables"
    kinds = {index: scene.path(index).rpartition("/")[2] for index in trained}
    chosen = {kinds[i] for i in indices if i in kinds}
    if all(i in indices for i in trained if kinds[i] in chosen) and len(chosen) < 3:
        return " and ".join(f"every {kind}" for kind in sorted(chosen))
    names = [scene.path(i) for i in indices]
    return ", ".join(names) if len(names) < 5 else f"{', '.join(names[:4])} and {len(names) - 4} more"
