"""The learning rate in each step beside fit()'s: another one, a schedule dropped, added or miscounted."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from loops.case.loading import Case
from loops.diagnose.mistake import NO_MISTAKE, Mistake
from loops.diagnose.optimizers import copy_of
from loops.diagnose.scene import Scene
from loops.diagnose.stages.used import USE, applied_by_step, groups_of

SAME = 3e-7  # relative, of learning rates: float32 rounds them


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


def explain_rates(scene: Scene) -> list[Mistake]:
    """The learning rate in each step beside fit()'s."""
    seen = [(place, each[0].rate) for place, each in enumerate(applied_by_step(scene)) if each]
    if not seen or len(groups_of(scene)) > 1:
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
