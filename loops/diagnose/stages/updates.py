"""The update: how often the optimizer is applied, to which variables, made anew or not; and all the rest."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from loops.case.observing import Taken
from loops.diagnose.algebra import plain
from loops.diagnose.mistake import NO_MISTAKE, Mistake, together
from loops.diagnose.observed import Step, norm_of
from loops.diagnose.scene import Scene, same_size, shared
from loops.diagnose.stages.left_over import explain_left_over, told_as_one
from loops.diagnose.stages.losses import variables_named
from loops.diagnose.stages.rates import explain_rates
from loops.diagnose.stages.used import ONCE, applied_by_step, explain_optimizer, groups_of


def explain_updates(scene: Scene, step: int) -> list[Mistake]:
    """What explains the user's updates, given the gradients; NO_MISTAKE alone where they are fit()'s."""
    kinds: Iterable[list[Mistake]] = (
        explain_optimizer(scene),
        explain_rates(scene),
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
        told_as_one(scene, one, two, both)
        for one in found
        for two in explain_left_over(scene, step, one)
        if (both := together(one, two))
    ]


def _counts(scene: Scene, step: int) -> list[Mistake]:
    """More than one update of the same variables in one step."""
    user = scene.user(step)
    most = max(Counter(index for each in user.applied for index in each.gradients).values(), default=0)
    if most < 2 or len(groups_of(scene)) > 1:
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
    counts = [each[0].iterations for each in applied_by_step(scene) if each]
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
    counts = [len(each) for each in applied_by_step(scene)]
    if all(counts) or not any(counts):
        return [NO_MISTAKE]
    if passed := _passed_by(scene, counts):
        return [passed]
    if counts[0]:
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


def _passed_by(scene: Scene, counts: Sequence[int]) -> Mistake | None:
    """Steps that do not update the weights, and whose gradients are lost."""
    updates = [place for place, count in enumerate(counts) if count]
    every = updates[1] - updates[0] if len(updates) > 1 else 0
    if every < 2 or any(bool(count) != (place % every == updates[0]) for place, count in enumerate(counts)):
        return None
    user = scene.user(updates[1] + 1)
    if not user.raw or not same_size(*shared(user.raw, user.given)):
        return None
    return Mistake(
        f"only every {every}{'nd' if every == 2 else 'rd' if every == 3 else 'th'} batch updates the weights",
        "the gradients of the others are lost",
        only_every=(every, updates[0]),
        advice="{optimizer}.apply_gradients(zip(gradients, {model}.trainable_variables)) in every step",
    )


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
