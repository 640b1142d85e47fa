"""Mistakes in the optimizer's settings and its life: another rate, another constant, made anew."""

from dataclasses import replace
from random import Random

from tests.diagnosis import wording
from tests.diagnosis.parts import Optimizer
from tests.diagnosis.plan import Plan
from tests.diagnosis.planting import Family, Planted, between, both, told

CONSTANTS = {
    "Adam": ("beta_1", "beta_2", "epsilon"),
    "Nadam": ("beta_1", "beta_2"),
    "AdamW": ("beta_1", "beta_2", "weight_decay"),
    "RMSprop": ("rho", "epsilon"),
    "Adagrad": ("initial_accumulator_value",),
}


def _own(plan: Plan, own: Optimizer, expect: str) -> Planted | None:
    return None if plan.own or plan.kind.has("ema") else Planted(replace(plan, own=own), expect)


def other_rate(plan: Plan, random: Random) -> Planted | None:
    optimizer = plan.kind.optimizer
    if optimizer.scheduled:
        return None
    rate = float(f"{optimizer.rate * between(random, 0.2, 0.8):.3g}")
    return _own(plan, optimizer.changed(learning_rate=rate), both(wording.RATE, told(rate)))


def schedule_dropped(plan: Plan, random: Random) -> Planted | None:
    optimizer = plan.kind.optimizer
    if not optimizer.scheduled:
        return None
    rate = between(random, 3e-3, 9e-3) if optimizer.name == "Adam" else between(random, 0.05, 0.2)
    return _own(plan, optimizer.changed(learning_rate=rate), both(wording.NO_SCHEDULE, told(rate)))


def schedule_added(plan: Plan, random: Random) -> Planted | None:
    optimizer = plan.kind.optimizer
    if optimizer.scheduled:
        return None
    steps, share = random.randint(2, 9), between(random, 0.3, 0.9)
    schedule = f"keras.optimizers.schedules.ExponentialDecay({optimizer.rate}, {steps}, {share})"
    return _own(plan, optimizer.changed(learning_rate=schedule), wording.SCHEDULE)


def optimizer_constant(plan: Plan, random: Random) -> Planted | None:
    optimizer = plan.kind.optimizer
    names = CONSTANTS.get(optimizer.name, ())
    if optimizer.name == "SGD":
        names = ("momentum",)
    if not names:
        return None
    name = random.choice(names)
    low, high = {
        "epsilon": (1e-4, 1e-2),
        "weight_decay": (0.02, 0.15),
        "initial_accumulator_value": (0.2, 0.9),
    }.get(name, (0.3, 0.72))
    value = between(random, low, high)
    return _own(plan, optimizer.changed(**{name: value}), both(name.replace("_", ".?"), told(value)))


def another_class(plan: Plan, random: Random) -> Planted | None:
    optimizer = plan.kind.optimizer
    if optimizer.scheduled:
        return None
    names = [name for name in ("Adam", "RMSprop", "Adamax", "Nadam") if name != optimizer.name]
    name = random.choice(names)
    own = Optimizer(name, {"learning_rate": min(optimizer.rate, 5e-3)})
    return _own(plan, own, rf"another optimizer.*\b{name}\b|\b{name}\b.*(?:instead of|in place of|, fit)")


def anew(plan: Plan, random: Random) -> Planted | None:
    optimizer = plan.kind.optimizer
    if not optimizer.has_state or plan.own or plan.kind.has("ema"):
        return None
    every = random.choice((1, 3, 4, 0))
    if every == 0:
        hooks = "def on_epoch_begin(model, optimizer, epoch):\n    held[:] = [make_optimizer()]\n"
        changed = replace(plan, top=(*plan.top, "held = []"), hooks=hooks)
        lines: tuple[str, ...] = ()
    else:
        top = ("held, done = [], []",)
        lines = (f"if len(done) % {every} == 0:", "    held[:] = [make_optimizer()]", "done.append(1)")
        changed = replace(plan, top=(*plan.top, *top))
    apply = tuple(line.replace("$opt", "held[0]") for line in plan.apply)
    changed = replace(changed, apply=(*lines, *apply), decorated=False)
    return Planted(changed, wording.ANEW)


def clipping_lost(plan: Plan, random: Random) -> Planted | None:
    if not plan.kind.has("clipped"):
        return None
    own = plan.kind.optimizer.without("clipnorm", "global_clipnorm", "clipvalue")
    return _own(plan, own, wording.NO_CLIPPING)


def clipping_other(plan: Plan, random: Random) -> Planted | None:
    if not plan.kind.has("clipped"):
        return None
    options = plan.kind.optimizer.options
    name = next(each for each in ("clipnorm", "global_clipnorm", "clipvalue") if each in options)
    value = float(f"{float(options[name]) * between(random, 0.2, 0.7):.3g}")
    return _own(plan, plan.kind.optimizer.changed(**{name: value}), both("clip", told(value)))


def decay_not_spared(plan: Plan, random: Random) -> Planted | None:
    optimizer = plan.kind.optimizer
    if not optimizer.spared:
        return None
    return _own(plan, replace(optimizer, spared=()), wording.NOT_SPARED)


def averages_not_used(plan: Plan, random: Random) -> Planted | None:
    if not plan.kind.has("ema"):
        return None
    return Planted(replace(plan, hooks=""), wording.AVERAGES)


FAMILIES = tuple(
    Family(function.__name__, function)
    for function in (
        other_rate,
        schedule_dropped,
        schedule_added,
        optimizer_constant,
        another_class,
        anew,
        clipping_lost,
        clipping_other,
        decay_not_spared,
        averages_not_used,
    )
)
