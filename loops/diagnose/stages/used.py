"""The optimizers that the step used, and the settings in which they differ from fit()'s."""

from collections.abc import Callable, Mapping
from typing import Any

from loops.case.loading import Case
from loops.case.observing import Applied
from loops.diagnose.mistake import NO_MISTAKE, Mistake
from loops.diagnose.optimizers import copy_of, differing_settings
from loops.diagnose.scene import Scene
from loops.diagnose.stages.losses import variables_named

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


def applied_by_step(scene: Scene) -> list[list[Applied]]:
    """What optimizers were given in each step."""
    return [step.applied for step in scene.observed.steps]


def _used(scene: Scene) -> list[Any]:
    """The optimizers that updated, each once, in order of appearance."""
    numbers = sorted({each.optimizer for step in applied_by_step(scene) for each in step})
    return [scene.observed.optimizers[number] for number in numbers]


def explain_optimizer(scene: Scene) -> list[Mistake]:
    """The settings of the optimizer that the step used, beside those of fit()'s."""
    own = Case(scene.trainings.path).optimizer()
    own = getattr(own, "inner_optimizer", own)
    used = _used(scene)
    if not used:
        return [NO_MISTAKE]
    sets = groups_of(scene)
    if len(sets) > 1:
        return [_by_group(scene, own, sets)]
    return [_other(own, used[0])]


def groups_of(scene: Scene) -> dict[tuple[int, ...], Any]:
    """Sets of variables that were updated apart in one step, each with its optimizer; none where not."""
    first = next((step for step in applied_by_step(scene) if step), [])
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
