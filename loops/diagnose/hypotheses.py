"""What could explain the user's training: for each stage of a step what was solved for there, put together.

The stages are looked at one by one, each given what explains those before it. What explains one stage is
independent of what explains another, so that mistakes in two stages are found as surely as one.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from loops.diagnose.mistake import NO_MISTAKE, Mistake, together
from loops.diagnose.observed import norm_of
from loops.diagnose.scene import FACTOR, FLOOR, NUDGES, Scene, shared
from loops.diagnose.stages.by_hand import explain_by_hand, is_by_hand
from loops.diagnose.stages.elements import explain_elements
from loops.diagnose.stages.losses import explain_weights
from loops.diagnose.stages.others import explain_others
from loops.diagnose.stages.passes import explain_passes, forward_agrees
from loops.diagnose.stages.processing import explain_processing
from loops.diagnose.stages.setting import Setting, setting
from loops.diagnose.stages.settings import settings_left_out
from loops.diagnose.stages.updates import explain_updates

WIDER = 30.0  # the second try's tolerance over the first's: a loss written in another way rounds coarser
SECONDS = 12.0  # for finding the step that differs by more than rounding
MOST = 40  # hypotheses


def first_wrong_step(scene: Scene, first: int) -> int:
    """The first step from `first` on that is not fit()'s but for rounding; `first` where all are."""
    until = time.monotonic() + SECONDS
    last = min(scene.trainings.steps, first + len(scene.trainings.epoch) + 1)
    for step in range(first, last + 1):
        if not agrees(scene, step):
            return step
        if time.monotonic() > until:
            break
    beyond = (
        s for s in range(first, scene.trainings.steps + 1) if not scene.trainings.holds(s, scene.after(s))
    )
    return next(beyond, first)


def agrees(scene: Scene, step: int) -> bool:
    """Whether the user's step is fit()'s from the same state, in gradients and in the update."""
    fit = scene.fit(step)
    user, theirs = scene.trained(scene.user(step).last), fit.step.last
    if bool(user) != bool(theirs) or not scene.tolerance(step).same(*shared(user, theirs)):
        return False
    if fit.after is None:
        return True
    values = scene.values(step)
    others = [other.after for nudge in NUDGES if (other := scene.fit(step, nudge=nudge)).after]
    change = scene.change(step)
    for name, array in fit.after.weights.items():
        own = array.astype(np.float64) - values[name.index]
        apart = max(
            (norm_of(each.weights[name].astype(np.float64) - array) for each in others),
            default=0.0,
        )
        most = FACTOR * max(apart, FLOOR * norm_of(values[name.index]), FLOOR * norm_of(own))
        if norm_of(change[name.index] - own) > most:
            return False
    return True


def hypotheses(scene: Scene, step: int) -> list[Mistake]:
    """What could explain the training, the simplest first."""
    found: list[Mistake] = []
    bases = explain_passes(scene, step)
    if not forward_agrees(scene, step) or not bases:
        bases += list(_recurrent(scene))
    updates = explain_by_hand(scene, step) if is_by_hand(scene) else explain_updates(scene, step)
    apart = any(each.repeats > 1 or each.per_output or each.pieces_apart > 1 for each in updates)
    more = {i for each in scene.user(step).taken for i in each.gradients} - set(scene.trainable)
    if more or {i for each in scene.user(step).applied for i in each.gradients} - set(scene.trainable):
        bases.append(
            Mistake(
                "non-trainable or frozen variables updated: frozen layers made trainable",
                unfreeze=True,
                advice="leave layer.trainable as make_model() sets it, before the optimizer is built",
            )
        )
    found += [each for each in updates if each is not NO_MISTAKE]
    for base in bases or [NO_MISTAKE]:
        for of_gradients in [*_of_gradients(scene, step, base), *([base] if apart else [])]:
            found += [of_gradients] if of_gradients is not NO_MISTAKE else []
            for update in updates:
                both = together(of_gradients, update)
                found += [both] if both and both is not NO_MISTAKE else []
    unique = list({(each.name, each.detail): each for each in found}.values())
    unique.sort(key=lambda each: len(each.parts))
    return unique[:MOST]


def left_out(scene: Scene, step: int) -> list[Mistake]:
    """Settings of compile() and fit() whose lack could show as the user's training does."""
    return list(settings_left_out(scene))


def _recurrent(scene: Scene) -> Iterator[Mistake]:
    """The state of recurrent layers that carry it from batch to batch, forgotten between steps."""
    layers = [i for i, layer in enumerate(scene.model._flatten_layers()) if getattr(layer, "stateful", False)]
    layers = [i for i in layers if hasattr(scene.model._flatten_layers()[i], "reset_state")]
    if not layers:
        return
    length = len(scene.trainings.epoch)
    for every, when in ((1, "each step"), (length, "each epoch")):
        yield Mistake(
            f"recurrent state reset before {when}: fit() carries it on",
            prepare=_resetting(layers),
            prepare_every=every,
            advice="leave the state of stateful layers alone, or reset it in a callback of fit() too",
        )


def _resetting(layers: Sequence[int]) -> Callable[[Any], None]:
    def reset(model: Any) -> None:
        for index in layers:
            model._flatten_layers()[index].reset_state()

    return reset


def _of_gradients(scene: Scene, step: int, base: Mistake) -> list[Mistake]:
    """What explains forward pass, loss and gradients together, `base` being what explains the first."""
    user, fit = scene.user(step), scene.fit(step, base).step
    if not user.last:
        return [base]
    tolerance = scene.tolerance(step, base)
    processing = explain_processing(scene, step)
    if tolerance.same(*shared(scene.trained(user.last), fit.last)):
        kept = [each for each in processing if each.dense] or [NO_MISTAKE]
        return [both for each in kept if (both := together(base, each))]
    at = setting(scene, step, base)
    found: list[Mistake] = []
    for loss in _of_loss(at):
        for change in processing:
            both = together(loss, change)
            found += [both] if both else []
    if processing != [NO_MISTAKE] or not user.raw:
        found += _weights_of_given(scene, step, base)
    return [both for each in found if (both := together(base, each))]


def _weights_of_given(scene: Scene, step: int, base: Mistake) -> list[Mistake]:
    """The gradients that the optimizer got, explained by the loss alone."""
    user, fit = scene.user(step), scene.fit(step, base).step
    target, own = shared(scene.trained(user.last), fit.last)
    at = Setting(scene, step, base, target, scene.tolerance(step, base).of(target, own))
    return [each for each in explain_weights(at) if each is not NO_MISTAKE]


def _of_loss(at: Setting) -> list[Mistake]:
    wider = Setting(at.scene, at.step, at.base, at.target, {i: WIDER * each for i, each in at.most.items()})
    for own in (at, wider):
        for options in (explain_weights, explain_elements, explain_others):
            if found := options(own):
                return found
    return []
