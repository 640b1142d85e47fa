"""An update by hand: the optimizer and its constants that make the user's changes of the weights."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from loops.case.loading import Case
from loops.diagnose.mistake import NO_MISTAKE, Mistake, together
from loops.diagnose.rules import OUTSIDE, PAPER, UNCORRECTED, Observation, Rule, solve_rule
from loops.diagnose.scene import Scene
from loops.diagnose.stages.losses import variables_named
from loops.diagnose.stages.rates import fit_rates, rates_named
from loops.diagnose.stages.used import NAMES, USE

STEPS = 12  # that the constants are solved from
SAME = 1e-3  # relative, of constants
SLACK = 30.0  # times the band: 1 - 0.999 in float32 leaves three digits less
OTHER = "other optimizer settings"
HOW = "solved from your updates by hand"
FORMS = {
    PAPER: "epsilon {epsilon} added after the bias correction, fit() adds it before",
    UNCORRECTED: "no bias correction",
    OUTSIDE: "epsilon {epsilon} added to the root, fit() adds it under the root",
}


def is_by_hand(scene: Scene) -> bool:
    """Whether the weights change though no optimizer was seen to update them."""
    return not any(step.applied for step in scene.observed.steps)


def explain_by_hand(scene: Scene, step: int) -> list[Mistake]:
    """The rules that the updates follow, as changes to fit()'s optimizer; NO_MISTAKE for its own."""
    own = Case(scene.trainings.path).optimizer()
    own = getattr(own, "inner_optimizer", own)
    config = {key: value for key, value in own.get_config().items() if isinstance(value, int | float | bool)}
    config.setdefault("learning_rate", fit_rates(scene)[0])
    kind = {"AdamW": "Adam"}.get(type(own).__name__, type(own).__name__)
    observations = _observations(scene)
    found: list[Mistake] = []
    for rule in solve_rule(observations, (kind, config)) if observations else []:
        found.append(_told(scene, kind, config, rule))
    # An update by hand goes over all rows of an Embedding
    sparse = scene.fit(step).step.sparse
    found = [each if each is NO_MISTAKE else replace(each, dense=sparse) for each in found]
    left = _left_as_they_were(scene, step)
    found = [both for one in found or [NO_MISTAKE] if (both := together(one, left))]
    if any(variable.constraint is not None for variable in scene.model.variables):
        missing = Mistake(
            "constraints left out",
            subtle=True,
            constraints=False,
            advice="update through the optimizer's apply_gradients, which applies the constraints",
        )
        found = [*(both for one in found if (both := together(one, missing))), *found]
    return found


def _observations(scene: Scene) -> list[Observation]:
    """The gradients and weights of the first steps: the tape's, or fit()'s at the user's weights."""
    found = []
    for step in range(1, min(STEPS, len(scene.observed.steps), scene.trainings.steps) + 1):
        gradients = scene.user(step).raw or scene.fit(step).step.given
        values, change = scene.values(step), scene.change(step)
        indices = [i for i in gradients if i in change and i in set(scene.trainable)]
        after = {name.index: array for name, array in scene.after(step).weights.items()}
        if not indices:
            return []
        found.append(
            Observation(
                {i: values[i] for i in indices},
                {i: np.asarray(gradients[i]) for i in indices},
                {i: after[i] for i in indices},
            )
        )
    return found


def _left_as_they_were(scene: Scene, step: int) -> Mistake:
    fit = scene.fit(step).step.given
    change = scene.change(step)
    left = sorted(i for i, gradient in fit.items() if gradient.any() and i in change and not change[i].any())
    if not left or len(left) == len(fit):
        return NO_MISTAKE
    kept = [i for i in scene.trainable if i not in left]
    return Mistake(
        f"only some variables updated: left as they were: {variables_named(scene, left)}",
        variables=lambda model: [model.variables[i] for i in kept],
        advice="gradients and update over {model}.trainable_variables, all of them",
    )


def _told(scene: Scene, kind: str, config: Mapping[str, Any], rule: Rule) -> Mistake:
    """A rule beside fit()'s optimizer: the constants that differ, or another optimizer altogether."""
    constants = dict(rule.constants)
    odd = {
        key: (value, config.get(key))
        for key, value in constants.items()
        if not _same(value, config.get(key)) and not (key == "epsilon" and rule.form)
    }
    rates = odd.pop("learning_rate", None)
    told = [f"{key} {_short(mine)}, fit() {_short(theirs)}" for key, (mine, theirs) in odd.items()]
    if rule.form:
        told.append(FORMS[rule.form].format(epsilon=_short(constants["epsilon"])))
    if rule.decayed and len(rule.decayed) < len(scene.trainable):
        told.append(f"decay on {variables_named(scene, sorted(rule.decayed))}")
    name = ""
    if rule.optimizer != kind:
        name = f"another optimizer: {rule.optimizer} by hand, fit() {kind}"
    elif told:
        name = NAMES.get(next(iter(odd), ""), OTHER) if len(told) == 1 else OTHER
    words = f"{name}: {'; '.join(told)}" if told else name
    made = Mistake(words, HOW, optimizer=_maker(rule), advice=USE, slack=SLACK)
    rate = _rates_told(scene, rates) if rates else None
    if not name:
        return replace(rate, optimizer=_maker(rule), slack=SLACK) if rate else NO_MISTAKE
    return replace(made, name=f"{made.name}; {rate.name}", rates=rate.rates) if rate else made


def _rates_told(scene: Scene, rates: tuple[Any, Any]) -> Mistake:
    """What the learning rates differ in that were solved for; the last one holds on."""
    fit, mine = fit_rates(scene), rates[0]
    own = [mine] * len(fit) if isinstance(mine, float) else [*mine, *[mine[-1]] * (len(fit) - len(mine))]
    return replace(rates_named(fit, own, case_has_callbacks=False), rates=tuple(own))


def _same(one: Any, two: Any) -> bool:
    if one in (None, 0.0, False) and two in (None, 0.0, False):
        return True
    if isinstance(one, bool | list) or isinstance(two, bool) or two is None:
        return bool(one == two)
    return bool(abs(one - two) <= SAME * max(abs(one), abs(two)))


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _maker(rule: Rule) -> Callable[[Any], Any]:
    """Makes the optimizer; its learning rate is set step by step where that differs."""
    constants = {k: v for k, v in rule.constants.items() if k != "nesterov" or rule.optimizer == "SGD"}
    if isinstance(rate := constants["learning_rate"], list):
        constants["learning_rate"] = rate[0]

    def make(optimizer: Any) -> Any:
        if rule.form in (PAPER, UNCORRECTED):
            made = HandAdam(corrects=rule.form == PAPER, **constants)
        elif rule.form == OUTSIDE:
            made = HandRMSprop(**constants)
        else:
            made = getattr(tf.keras.optimizers, rule.optimizer)(**constants)
        return made

    return make


class HandAdam(tf.keras.optimizers.Adam):
    """Adam as people write it by hand: epsilon after the bias correction, or no bias correction."""

    def __init__(self, *, corrects: bool = True, **constants: Any) -> None:
        """Take Adam's constants, and whether to correct the moments."""
        super().__init__(**constants)
        self._corrects = corrects

    def get_config(self) -> dict[str, Any]:
        """Everything that makes a copy."""
        return {**super().get_config(), "corrects": self._corrects}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One update of one variable."""
        gradient = tf.convert_to_tensor(gradient)
        place = self._get_variable_index(variable)
        mean, square = self._momentums[place], self._velocities[place]
        mean.assign(self.beta_1 * mean + (1 - self.beta_1) * gradient)
        square.assign(self.beta_2 * square + (1 - self.beta_2) * tf.square(gradient))
        count = tf.cast(self.iterations + 1, variable.dtype)
        one = 1 - tf.pow(float(self.beta_1), count) if self._corrects else 1.0
        two = 1 - tf.pow(float(self.beta_2), count) if self._corrects else 1.0
        variable.assign_sub(learning_rate * (mean / one) / (tf.sqrt(square / two) + self.epsilon))


class HandRMSprop(tf.keras.optimizers.RMSprop):
    """RMSprop as people write it by hand: epsilon added to the root."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One update of one variable."""
        gradient = tf.convert_to_tensor(gradient)
        place = self._get_variable_index(variable)
        square = self._velocities[place]
        square.assign(self.rho * square + (1 - self.rho) * tf.square(gradient))
        change = learning_rate * gradient / (tf.sqrt(square) + self.epsilon)
        if self.momentum > 0:
            speed = self._momentums[place]
            speed.assign(self.momentum * speed + change)
            change = speed
        variable.assign_sub(change)
