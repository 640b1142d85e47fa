"""What is done to the gradients between the tape and the optimizer, read off the user's own run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from loops.diagnose.algebra import by_variable, groups, plain, solve
from loops.diagnose.mistake import NO_MISTAKE, Mistake
from loops.diagnose.observed import Gradients, Step, norm_of
from loops.diagnose.scene import Scene, Tolerance, shared
from loops.diagnose.stages.losses import penalties_named, variables_named

AS_TAKEN = "leave the gradients as the tape gives them"
CLIP = "leave clipping to the optimizer, in fit() too: keras.optimizers.Adam(…, global_clipnorm=…)"
SAME = Tolerance({})  # gradients of one run, which round once or twice
SCALED = 1e-5  # a factor this near to 1 is none
Change = Callable[[list[Any]], list[Any]]  # of gradients, in the order of the variables


@dataclass(frozen=True)
class Pair:
    """A step's gradients before and after, with the tape's lengths as TensorFlow clips by them."""

    scene: Scene
    step: int
    raw: Gradients
    given: Gradients
    lengths: Mapping[int, float]

    @property
    def most(self) -> dict[int, float]:
        """What counts as rounding."""
        return SAME.of(self.raw, self.given)


def explain_processing(scene: Scene, step: int) -> list[Mistake]:
    """What is done to the gradients; NO_MISTAKE alone where nothing is, or where it cannot be seen."""
    dense = (scene.fit(step).step.sparse & scene.user(step).given.keys()) - scene.user(step).sparse
    found = _changes(scene, step)
    if not dense:
        return found
    return [replace(each, dense=dense) for each in found if each is not NO_MISTAKE] or [
        Mistake(
            f"sparse gradients made dense: {variables_named(scene, sorted(dense))}",
            "an optimizer with moments then moves rows of an Embedding that the batch does not hold",
            dense=dense,
            subtle=True,
            advice="hand the optimizer what the tape gives: tf.IndexedSlices, not tf.convert_to_tensor(…)",
        )
    ]


def _changes(scene: Scene, step: int) -> list[Mistake]:
    user = scene.user(step)
    raw, given = shared(scene.trained(user.raw), scene.trained(user.given))
    if not raw or not given or SAME.same(raw, given) or scene.one_step.scales_loss:
        return [NO_MISTAKE]
    pair = Pair(scene, step, raw, given, _lengths(user))
    return [
        each
        for options in (_remembered, _clipped, _shrunk, _decayed, _changed, _permuted)
        for each in options(pair)
    ]


def _lengths(user: Step) -> dict[int, float]:
    found: dict[int, float] = {}
    for taken in user.taken:
        found |= taken.lengths
    return found


def _remembered(pair: Pair) -> Iterator[Mistake]:
    """What was applied in the step before, added: sums that are never cleared, or a momentum by hand."""
    if pair.step == 1:
        return
    before = pair.scene.user(pair.step - 1).given
    found = solve(pair.given, [pair.raw, before], pair.most) if before else None
    if found is None or abs(found.values[1]) < SCALED:
        return
    new, old = (plain(value, error) for value, error in zip(found.values, found.errors, strict=True))
    name = f"gradients averaged over steps by hand: {new:.4g} of the new, {old:.4g} of the last"
    if abs(new - 1) < 1e-3 and abs(old - 1) < 1e-3:
        name = "gradients accumulated across steps: never cleared"
    yield Mistake(
        name,
        memory=(new, old, _of_first(pair.scene, new)),
        advice="apply each step's own gradients; set sums to zero after an update",
    )


def _of_first(scene: Scene, new: float) -> float:
    """What share of its gradients the first step applied: all of them, or that of the other steps."""
    user = scene.user(1)
    found = solve(user.given, [user.raw], SAME.of(user.raw, user.given))
    return 1.0 if found and abs(found.values[0] - 1) < SCALED else new


def _clipped(pair: Pair) -> Iterator[Mistake]:
    """By value, by the norm of each, by the norm of all or of some together."""
    top = max((float(np.abs(array).max()) for array in pair.given.values() if array.size), default=0.0)
    if top and SAME.same({i: np.clip(a, -top, top) for i, a in pair.raw.items()}, pair.given):
        yield _clipping("value", top, None, pair)
    scales = by_variable(pair.given, pair.raw, pair.most)
    if not scales:
        return
    down = {i: s for i, s in scales.items() if s < 1 - SCALED}
    if not down or any(s > 1 + SCALED for s in scales.values()):
        return
    norms = [down[i] * pair.lengths[i] for i in down]
    middle = float(np.median(norms))
    if all(abs(n - middle) <= 1e-4 * middle for n in norms):
        yield _clipping("norm", middle, None, pair)
        yield _normalised(pair, middle, each=True)
    values = list(down.values())
    if max(values) - min(values) <= 1e-4 * max(values):
        whole = float(np.sqrt(sum(pair.lengths[i] ** 2 for i in down)))
        some = None if len(down) == len(scales) else sorted(down)
        yield _clipping("global norm", float(np.median(values)) * whole, some, pair)
        if some is None:
            yield _normalised(pair, float(np.median(values)) * whole, each=False)


def _clipping(kind: str, threshold: float, some: Sequence[int] | None, pair: Pair) -> Mistake:
    value = plain(threshold)
    change: Change = {
        "value": lambda gradients: [
            each if each is None else tf.clip_by_value(_dense(each), -value, value) for each in gradients
        ],
        "norm": lambda gradients: [
            each if each is None else tf.clip_by_norm(each, value) for each in gradients
        ],
        "global norm": lambda gradients: list(tf.clip_by_global_norm(gradients, value)[0]),
    }[kind]
    where = "" if some is None else f" of {variables_named(pair.scene, some)}"
    return Mistake(
        f"gradient clipping extra: gradients clipped by {kind} {value:.4g}{where}",
        gradients=_of(pair.scene, some, change),
        advice=CLIP,
    )


def _dense(gradient: Any) -> Any:
    return tf.convert_to_tensor(gradient)


def _normalised(pair: Pair, length: float, *, each: bool) -> Mistake:
    """Scaled to one length, whether they are longer or shorter."""
    value = plain(length)

    def change(gradients: list[Any]) -> list[Any]:
        if each:
            return [g if g is None else _times(value / tf.norm(_dense(g)), g) for g in gradients]
        whole = tf.linalg.global_norm([g for g in gradients if g is not None])
        return [_times(value / whole, g) for g in gradients]

    which = "each variable's" if each else "the global"
    return Mistake(
        f"gradients normalised: {which} norm made {value:.4g}",
        gradients=_of(pair.scene, None, change),
        advice=AS_TAKEN,
        general=True,  # clipping is the simpler reading where all norms were longer
    )


def _shrunk(pair: Pair) -> Iterator[Mistake]:
    """One factor for all gradients, or one for some of them."""
    scales = by_variable(pair.given, pair.raw, pair.most)
    if not scales:
        return
    odd = {i: s for i, s in scales.items() if abs(s - 1) > SCALED}
    if not odd:
        return
    by_value = groups(odd, 1e-5)
    factors = {i: plain(float(np.median([odd[j] for j in own]))) for own in by_value.values() for i in own}
    told = [f"{factors[own[0]]:.4g}" for own in by_value.values()]
    change = _scaling(pair.scene, factors)
    if len(odd) == len(scales) and len(by_value) == 1:
        name = f"loss or gradients scaled by {told[0]}: a sum for a mean, another divisor, or a factor"
        yield Mistake(name, gradients=change, advice=AS_TAKEN, general=True)
        return
    where = "; ".join(
        f"{value} on {variables_named(pair.scene, own)}"
        for value, own in zip(told, by_value.values(), strict=True)
    )
    yield Mistake(
        f"gradients of some variables scaled, by {', '.join(told[:3])}: {where}",
        gradients=change,
        advice="leave the gradients as the tape gives them; another rate by layer needs another optimizer "
        "(Adam divides a gradient by its own size)",
    )


def _scaling(scene: Scene, factors: Mapping[int, float]) -> Callable[[list[Any], Any], list[Any]]:
    trained = scene.trainable

    def gradients(found: list[Any], rows: Any) -> list[Any]:
        return [_times(factors.get(i, 1.0), each) for i, each in zip(trained, found, strict=True)]

    return gradients


def _times(factor: Any, gradient: Any) -> Any:
    if gradient is None:
        return None
    if isinstance(gradient, tf.IndexedSlices):
        values = gradient.values * tf.cast(factor, gradient.dtype)
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return gradient * tf.cast(factor, gradient.dtype)


def _decayed(pair: Pair) -> list[Mistake]:
    """Multiples of the weights, or of their signs, added."""
    values = pair.scene.values(pair.step)
    added = {i: array.astype(np.float64) - pair.raw[i] for i, array in pair.given.items() if i in pair.raw}
    for kind in ("values", "signs"):
        made = {i: values[i] if kind == "values" else np.sign(values[i]) for i in added}
        much = by_variable(added, {i: a.astype(np.float64) for i, a in made.items()}, pair.most)
        if not much:
            continue
        errors = {i: pair.most[i] / max(norm_of(made[i]), 1e-30) for i in much}
        much = {i: plain(v, errors[i] / 10) for i, v in much.items() if abs(v) > errors[i]}
        pairs = (much, {}) if kind == "values" else ({}, much)
        return penalties_named(pair.scene, pair.step, *pairs, gradients=True)
    return []


def _changed(pair: Pair) -> Iterator[Mistake]:
    """Changes without a constant: centralised, rounded to a coarser type, their signs, without noise."""
    for name, one in (
        ("gradients centralised: the mean of each unit's taken off", _centralised),
        ("gradients cast to float16", lambda g: tf.cast(tf.cast(g, "float16"), g.dtype)),
        ("gradients cast to bfloat16", lambda g: tf.cast(tf.cast(g, "bfloat16"), g.dtype)),
        ("signs of the gradients taken", tf.sign),
        ("gradients negated", tf.negative),
    ):
        made = {i: np.asarray(one(tf.constant(array))) for i, array in pair.raw.items()}
        if SAME.same(made, pair.given):
            yield Mistake(
                name,
                gradients=_of(pair.scene, None, _each(one)),
                advice=AS_TAKEN,
            )


def _each(change: Callable[[Any], Any]) -> Change:
    return lambda gradients: [g if g is None else change(_dense(g)) for g in gradients]


def _centralised(gradient: Any) -> Any:
    if len(gradient.shape) < 2:
        return gradient
    return gradient - tf.reduce_mean(gradient, axis=list(range(len(gradient.shape) - 1)), keepdims=True)


def _permuted(pair: Pair) -> Iterator[Mistake]:
    """Gradients paired with other variables than their own."""
    origin: dict[int, int] = {}
    for index, mine in pair.given.items():
        alike = [j for j, theirs in pair.raw.items() if theirs.shape == mine.shape]
        near = [j for j in alike if norm_of(mine - pair.raw[j]) <= pair.most[index]]
        if not near:
            return
        origin[index] = index if index in near else near[0]
    odd = {i: j for i, j in origin.items() if i != j}
    if not odd:
        return
    trained = pair.scene.trainable

    def gradients(found: list[Any], rows: Any) -> list[Any]:
        by_index = dict(zip(trained, found, strict=True))
        return [by_index[origin.get(i, i)] for i in trained]

    told = ", ".join(
        f"{pair.scene.path(i)} got that of {pair.scene.path(j)}" for i, j in list(odd.items())[:4]
    )
    yield Mistake(
        f"gradients paired with the wrong variables: {told}",
        gradients=gradients,
        advice="zip(tape.gradient({loss}, variables), variables): one list, in one order",
    )


def _of(scene: Scene, some: Sequence[int] | None, change: Change) -> Callable[[list[Any], Any], list[Any]]:
    """The change on some of the variables, by index into model.variables; on all where `some` is None."""
    trained = scene.trainable

    def gradients(found: list[Any], rows: Any) -> list[Any]:
        if some is None:
            return change(found)
        places = [place for place, index in enumerate(trained) if index in some]
        changed = dict(zip(places, change([found[place] for place in places]), strict=True))
        return [changed.get(place, each) for place, each in enumerate(found)]

    return gradients
