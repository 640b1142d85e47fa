"""The update: which optimizer and settings, how often, on which variables, and what else moves them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from loops.case.loading import Case
from loops.case.observing import Applied, Taken
from loops.diagnose.algebra import groups, plain
from loops.diagnose.mistake import NO_MISTAKE, Mistake, together
from loops.diagnose.observed import Gradients, Step, norm_of
from loops.diagnose.optimizers import copy_of, differing_settings
from loops.diagnose.scene import FACTOR, FLOOR, NUDGES, Scene
from loops.diagnose.stages.losses import variables_named
from loops.parity.states import State

SAME = 3e-7  # relative, of learning rates: float32 rounds them
USE = "use the very optimizer that compile() gets"
ONCE = "one {optimizer}.apply_gradients for each batch"
CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")
NAMES = {
    "epsilon": "other epsilon",
    "learning_rate": "other learning rate",
    "weight_decay": "other weight decay",
    "use_ema": "averaged weights (EMA) of the optimizer",
    "gradient_accumulation_steps": "gradients accumulated across steps",
}


def explain_updates(scene: Scene, step: int) -> list[Mistake]:
    """What explains the user's updates, given the gradients; NO_MISTAKE alone where they are fit()'s."""
    kinds: Iterable[list[Mistake]] = (
        _optimizer(scene),
        _rates(scene),
        _counts(scene, step),
        _made_anew(scene),
        _waits(scene),
        _variables(scene, step),
        _averages(scene, step),
    )
    found = [NO_MISTAKE]
    for options in kinds:
        found = [both for one in found for two in options if (both := together(one, two))]
    return [
        _told_as_one(scene, one, two, both)
        for one in found
        for two in _left_over(scene, step, one)
        if (both := together(one, two))
    ]


def _told_as_one(scene: Scene, one: Mistake, two: Mistake, both: Mistake) -> Mistake:
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


def _applied(scene: Scene) -> list[list[Applied]]:
    return [step.applied for step in scene.observed.steps]


def _used(scene: Scene) -> list[Any]:
    """The optimizers that updated, each once, in order of appearance."""
    numbers = sorted({each.optimizer for step in _applied(scene) for each in step})
    return [scene.observed.optimizers[number] for number in numbers]


def _optimizer(scene: Scene) -> list[Mistake]:
    """The settings of the optimizer that the step used, beside those of fit()'s."""
    own = Case(scene.trainings.path).optimizer()
    own = getattr(own, "inner_optimizer", own)
    used = _used(scene)
    if not used:
        return [NO_MISTAKE]
    sets = _groups_of(scene)
    if len(sets) > 1:
        return [_by_group(scene, own, sets)]
    return [_other(own, used[0])]


def _groups_of(scene: Scene) -> dict[tuple[int, ...], Any]:
    """Sets of variables that were updated apart in one step, each with its optimizer; none where not."""
    first = next((step for step in _applied(scene) if step), [])
    sets = [tuple(sorted(each.gradients)) for each in first]
    union = {index for each in sets for index in each}
    if len(sets) < 2 or sum(map(len, sets)) != len(union):
        return {}
    return {key: scene.observed.optimizers[each.optimizer] for key, each in zip(sets, first, strict=True)}


def _by_group(scene: Scene, own: Any, sets: Mapping[tuple[int, ...], Any]) -> Mistake:
    """Groups of variables, each updated on its own."""
    if len({id(each) for each in sets.values()}) == 1:
        one = next(iter(sets.values()))
        if differing_settings(own, one):
            return NO_MISTAKE
        return Mistake(
            f"the optimizer applied {len(sets)} times a batch, to parts of the variables in turn: "
            "its count of steps grows too fast",
            by_group=tuple((group, None) for group in sets),
            advice=ONCE,
        )
    odd = {group: differing_settings(own, each) for group, each in sets.items()}
    if not any(odd.values()):
        return NO_MISTAKE
    told = [
        f"{_other(own, sets[group]).name} on {variables_named(scene, group)}"
        for group, settings in odd.items()
        if settings
    ]
    return Mistake(
        "; ".join(told), by_group=tuple((group, _maker(each)) for group, each in sets.items()), advice=USE
    )


def _maker(used: Any) -> Callable[[Any], Any]:
    return lambda optimizer: copy_of(used)


def _other(own: Any, used: Any) -> Mistake:
    """What the settings of two optimizers differ in, named by it; the learning rate is seen by step."""
    odd = differing_settings(own, used)
    if not odd:
        return NO_MISTAKE
    change: Callable[[Any], Any] = lambda optimizer: copy_of(used)  # noqa: E731 (shared by the branches)
    if "class" in odd:
        mine, theirs = odd["class"]
        return Mistake(f"another optimizer: {mine}, fit() {theirs}", optimizer=change, advice=USE)
    if set(odd) == {"exclusions"}:
        return Mistake(
            "weight decay on variables that are excluded from it",
            "as if exclude_from_weight_decay() had not been called" if not odd["exclusions"][0] else "",
            subtle=True,
            optimizer=change,
            advice="optimizer.exclude_from_weight_decay(var_names=[...]), or leave the same ones out by hand",
        )
    told, name = [], "other optimizer settings"
    for key, (mine, theirs) in odd.items():
        told.append(f"{key}={_short(mine)}, fit() {_short(theirs)}")
    if set(odd) <= {*CLIPS}:
        missing = all(mine is None for mine, _ in odd.values())
        name = (
            "gradient clipping missing"
            if missing
            else "gradient clipping other than fit()'s (extra or another threshold)"
        )
    elif set(odd) == {"weight_decay"} and not odd["weight_decay"][0]:
        name = "weight decay dropped"
    elif len(odd) == 1:
        name = NAMES.get(next(iter(odd)), name)
    return Mistake(f"{name}: {'; '.join(told)}", optimizer=change, advice=USE, subtle="weight_decay" in odd)


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def fit_rates(scene: Scene) -> list[float]:
    """fit()'s learning rate in each step."""
    case = Case(scene.trainings.path)
    optimizer = case.optimizer()
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    own = optimizer._learning_rate
    steps = range(len(scene.observed.steps))
    if isinstance(own, tf.keras.optimizers.schedules.LearningRateSchedule):
        return [float(own(step)) for step in steps]
    states = scene.trainings.reference.states
    found = []
    for step in steps:
        held = [
            v for n, v in states[min(step, len(states) - 1)].slots.items() if n.path.endswith("learning_rate")
        ]
        found.append(float(held[0]) if len(held) == 1 else float(optimizer.learning_rate))
    return found


def _rates(scene: Scene) -> list[Mistake]:
    """The learning rate in each step beside fit()'s."""
    seen = [(place, each[0].rate) for place, each in enumerate(_applied(scene)) if each]
    if not seen or len(_groups_of(scene)) > 1:
        return [NO_MISTAKE]
    fit = fit_rates(scene)
    mine = dict(seen)
    if all(abs(rate - fit[place]) <= SAME * abs(fit[place]) for place, rate in seen):
        return [NO_MISTAKE]
    rates = [mine.get(place, fit[place]) for place in range(len(fit))]
    calls_back = bool(Case(scene.trainings.path).fit_args.get("callbacks"))
    told = rates_named(fit, rates, case_has_callbacks=calls_back)
    steady = len(set(rates)) == 1 and not calls_back
    return [
        replace(
            told,
            rates=None if steady else tuple(rates),
            optimizer=_with_rate(rates[0]),
            general=calls_back,  # that the callback is not applied says more
        )
    ]


def _with_rate(rate: float) -> Callable[[Any], Any]:
    return lambda optimizer: copy_of(optimizer, learning_rate=rate)


def rates_named(fit: Sequence[float], mine: Sequence[float], *, case_has_callbacks: bool) -> Mistake:
    """What two sequences of learning rates differ in."""
    steady, fit_steady = (max(each) - min(each) <= SAME * max(map(abs, each)) for each in (mine, fit))
    ratios = [one / two if two else 0.0 for one, two in zip(mine, fit, strict=True)]
    first = next(place for place, ratio in enumerate(ratios) if abs(ratio - 1) > SAME) + 1
    if steady and fit_steady:
        return Mistake(f"other learning rate: {mine[0]:.4g}, fit() {fit[0]:.4g}", advice=USE)
    if steady:
        by = " (a callback's)" if case_has_callbacks else ""
        advice = (
            "set {optimizer}.learning_rate in on_epoch_begin as the callback does"
            if case_has_callbacks
            else "hand the schedule itself to the optimizer"
        )
        return Mistake(
            f"schedule dropped{by}: the learning rate stays {mine[0]:.4g}, "
            f"fit()'s goes from {fit[0]:.4g} to {fit[-1]:.4g}",
            subtle=True,
            advice=advice,
        )
    middle = float(np.median(ratios))
    if all(abs(ratio - middle) <= SAME * abs(middle) for ratio in ratios):
        return Mistake(
            f"other learning rate: the schedule's times {middle:.4g}", advice="hand the same schedule to both"
        )
    if fit_steady:
        told = f"{mine[first - 2]:.4g} before" if first > 1 else f"fit() {fit[0]:.4g}"
        return Mistake(
            f"other learning rate: changed by the step, a schedule that fit() has not: {mine[first - 1]:.4g} "
            f"from step {first} on ({told}), {mine[-1]:.4g} at the end",
            advice="give fit() the schedule too, or take it out of the loop",
        )
    return Mistake(
        f"schedule of the learning rate other than fit()'s, from step {first} on: {mine[first - 1]:.4g}, "
        f"fit() {fit[first - 1]:.4g}",
        advice="count the steps as the optimizer does, from 0, and hand the schedule itself to it",
    )


def _counts(scene: Scene, step: int) -> list[Mistake]:
    """More than one update of the same variables in one step."""
    user = scene.user(step)
    most = max(Counter(index for each in user.applied for index in each.gradients).values(), default=0)
    if most < 2 or len(_groups_of(scene)) > 1:
        return [NO_MISTAKE]
    tapes = sum(1 for each in _between(user))
    if partly := _partly_twice(scene, user):
        return [partly]
    if tapes < 2:
        name = "updated twice a batch" if most == 2 else f"updated {most} times a batch"
        return [Mistake(name, "with the same gradients", applies=most, advice=ONCE)]
    found = []
    if len(tf.nest.flatten(scene.batch(step).y)) > 1:
        found.append(
            Mistake(
                "an update for each output's loss, not one for their sum",
                per_output=True,
                advice="add up the losses, take the gradients of the sum, and apply them once",
            )
        )
    name = "updated twice a batch" if most == 2 else f"updated {most} times a batch"
    found.append(Mistake(name, "each time with new gradients", repeats=most, advice=ONCE))
    pieces = [len(each.inputs[0]) for each in user.passes if each.inputs]
    if len(pieces) == most and sum(pieces) == scene.sizes[(step - 1) % len(scene.sizes)]:
        found.append(
            Mistake(f"an update for each of {most} pieces of a batch", pieces_apart=most, advice=ONCE)
        )
    return found


def _partly_twice(scene: Scene, user: Step) -> Mistake | None:
    """Updates one after the other with the same gradients, each of other variables than the one before."""
    sets = [tuple(i for i in scene.trainable if i in each.gradients) for each in user.applied]
    if len(set(sets)) < 2:
        return None
    for each in user.applied:
        if any(not np.array_equal(g, user.given[i]) for i, g in each.gradients.items()):
            return None
    counts = Counter(i for each in sets for i in each)
    often = [i for i, count in counts.items() if count > 1]
    return Mistake(
        f"some variables updated twice a batch: {variables_named(scene, often)}",
        "with the same gradients",
        by_group=tuple((each, None) for each in sets),
        advice=ONCE,
    )


def _between(user: Step) -> Iterator[Taken]:
    """Gradients that were taken before another update than the one before."""
    for event in user.events:
        if isinstance(event, Taken) and event.gradients:
            yield event


def _made_anew(scene: Scene) -> list[Mistake]:
    """Steps at which the optimizer's count of steps starts again."""
    counts = [each[0].iterations for each in _applied(scene) if each]
    anew = [place for place, count in enumerate(counts) if count == 0]
    if len(anew) < 2:
        return [NO_MISTAKE]
    every = anew[1] - anew[0]
    length = len(scene.trainings.epoch)
    if anew != list(range(0, len(counts), every)):
        return [NO_MISTAKE]
    if every == 1:
        name, advice = "optimizer created anew each step", "create the optimizer once, outside train_step"
    elif every == length:
        name, advice = (
            "optimizer created anew each epoch",
            "create the optimizer once, outside the loop over epochs",
        )
    else:
        name, advice = f"optimizer created anew every {every} steps", "create the optimizer once"
    return [
        Mistake(name, "its moments and its count of steps are lost there", fresh_every=every, advice=advice)
    ]


def _waits(scene: Scene) -> list[Mistake]:
    """Steps without an update: gradients are gathered."""
    counts = [len(each) for each in _applied(scene)]
    if not counts or counts[0] or not any(counts):
        return [NO_MISTAKE]
    every = counts.index(next(filter(None, counts))) + 1
    if any(bool(count) != ((place + 1) % every == 0) for place, count in enumerate(counts)):
        return [NO_MISTAKE]
    total: dict[int, Any] = {}
    for step in range(1, every + 1):
        for index, gradient in scene.user(step).raw.items():
            total[index] = total.get(index, 0.0) + gradient.astype(np.float64)
    given = scene.user(every).given
    top = max(given, key=lambda index: norm_of(given[index]), default=None)
    if top is None or top not in total or not norm_of(total[top]):
        return [NO_MISTAKE]
    share = float(np.vdot(given[top], total[top]) / np.vdot(total[top], total[top]))
    mean = abs(share * every - 1) < 1e-2
    told = "mean" if mean else "sum"
    return [
        Mistake(
            f"gradients accumulated across steps: applied every {every} steps as their {told}",
            accumulate=every,
            accumulate_mean=mean,
            gradients=_factor(share * every if mean else share),
            advice="{optimizer}.apply_gradients(zip(gradients, {model}.trainable_variables)) in every step",
        )
    ]


def _factor(value: float) -> Any:
    if abs(value - 1) < 1e-4:
        return None
    return lambda gradients, rows: [
        None if g is None else tf.convert_to_tensor(g) * plain(value) for g in gradients
    ]


def _variables(scene: Scene, step: int) -> list[Mistake]:
    """Variables that get no update though fit() moves them, and those that fit() leaves."""
    user = scene.user(step)
    if not user.applied:
        return [_passed_over(scene, step)]
    fit = set(scene.fit(step).step.given)
    mine = {index for each in user.applied for index in each.gradients}
    changed = {index for index, change in scene.change(step).items() if change.any()}
    left = sorted(i for i in fit - mine if i not in changed)
    more = sorted(mine - set(scene.trainable))
    found = []
    if left:
        kept = [i for i in scene.trainable if i not in left]
        found.append(
            Mistake(
                f"only some variables updated: left as they were: {variables_named(scene, left)}",
                variables=lambda model: [model.variables[i] for i in kept],
                advice="gradients and update over {model}.trainable_variables, all of them",
            )
        )
    if more:
        both = [*scene.trainable, *more]
        found.append(
            Mistake(
                f"non-trainable or frozen variables updated: {', '.join(scene.path(i) for i in more[:4])}",
                variables=lambda model: [model.variables[i] for i in sorted(both)],
                advice="use {model}.trainable_variables, not {model}.weights or {model}.variables",
            )
        )
    return [*found, NO_MISTAKE]


def _passed_over(scene: Scene, step: int) -> Mistake:
    """Batches of another size than the first, on which the step does nothing."""
    first, own = scene.sizes[0], scene.sizes[(step - 1) % len(scene.sizes)]
    if own == first or any(change.any() for change in scene.change(step).values()):
        return NO_MISTAKE
    return Mistake(
        "dropped last batch",
        f"batches of another size than {first} are passed over",
        only_rows=first,
        advice="train on every batch: no drop_remainder=True, no early return",
    )


def _averages(scene: Scene, step: int) -> list[Mistake]:
    """Moving averages that fit() updates and the step leaves as they were."""
    fit = scene.fit(step).after
    if fit is None:
        return [NO_MISTAKE]
    trained, values, change = set(scene.trainable), scene.values(step), scene.change(step)
    moved = {
        n.index
        for n, array in fit.weights.items()
        if n.index not in trained and not np.array_equal(array, values[n.index])
    }
    still = sorted(i for i in moved if not change[i].any())
    if not still or not any(change[i].any() for i in trained if i in change):
        return [NO_MISTAKE]
    flags = scene.user(step).flags()
    if flags and not any(flag for each in flags.values() for flag in each):
        return [NO_MISTAKE]  # the training flag says why
    return [
        Mistake(
            "moving averages not updated (BatchNormalization): "
            f"{', '.join(scene.path(i) for i in still[:4])}",
            kept=frozenset(still),
            advice="call {model}({x}, training=True) and leave what it updates as it is",
        )
    ]


def _left_over(scene: Scene, step: int, found: Mistake) -> list[Mistake]:
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
