"""Mistakes in what is done to the gradients before the update."""

from dataclasses import replace
from random import Random

from tests.diagnosis import wording
from tests.diagnosis.plan import Plan
from tests.diagnosis.planting import Family, Planted, between, both, told

EACH = "$grads = [{} for g in $grads]"


def clipped_by_value(plan: Plan, random: Random) -> Planted | None:
    most = between(random, 2e-4, 4e-3)
    line = EACH.format(f"tf.clip_by_value(g, -{most!r}, {most!r})")
    return Planted(plan.with_process(line), both("clip", told(most)))


def clipped_by_norm(plan: Plan, random: Random) -> Planted | None:
    if plan.kind.has("clipped") or plan.process:
        return None
    most = between(random, 3e-3, 2e-2)
    return Planted(plan.with_process(EACH.format(f"tf.clip_by_norm(g, {most!r})")), both("clip", told(most)))


def clipped_by_global_norm(plan: Plan, random: Random) -> Planted | None:
    if plan.process:
        return None
    most = between(random, 5e-3, 4e-2)
    line = f"$grads, _ = tf.clip_by_global_norm($grads, {most!r})"
    return Planted(plan.with_process(line), both("clip", told(most)))


def layers_scaled(plan: Plan, random: Random) -> Planted | None:
    if plan.process or plan.kind.has("frozen"):
        return None
    factor = random.choice((between(random, 0.02, 0.6), between(random, 1.5, 6.0)))
    first = random.choice((1, 2))
    one = f"tf.convert_to_tensor(g) * ({factor} if i < {first} else 1.0)"
    line = f"$grads = [{one} for i, g in enumerate($grads)]"
    return Planted(plan.with_process(line), both("scaled|times|factor", told(factor)))


def all_scaled(plan: Plan, random: Random) -> Planted | None:
    factor = between(random, 0.1, 0.8)
    line = EACH.format(f"tf.convert_to_tensor(g) * {factor}")
    return Planted(plan.with_process(line), both("scaled|times|factor|divid", told(factor, 1 / factor)))


def paired_wrongly(plan: Plan, random: Random) -> Planted | None:
    if not plan.kind.swaps:
        return None
    one, two = random.choice(plan.kind.swaps)
    line = f"$grads[{one}], $grads[{two}] = $grads[{two}], $grads[{one}]"
    return Planted(plan.with_process("$grads = list($grads)", line), wording.PAIRED)


def penalised(plan: Plan, random: Random) -> Planted | None:
    much = between(random, 2e-3, 3e-2)
    line = f"$grads = [tf.convert_to_tensor(g) + {much} * v for g, v in zip($grads, $variables)]"
    return Planted(plan.with_process(line), both("decay|L2|penalty", told(much, much / 2)))


def through_half(plan: Plan, random: Random) -> Planted | None:
    line = EACH.format("tf.cast(tf.cast(tf.convert_to_tensor(g), tf.bfloat16), tf.float32)")
    return Planted(plan.with_process(line), wording.ROUNDED)


def signs(plan: Plan, random: Random) -> Planted | None:
    if plan.kind.optimizer.name == "SGD":
        return None
    return Planted(plan.with_process(EACH.format("tf.sign(tf.convert_to_tensor(g))")), wording.SIGNS)


def centralised(plan: Plan, random: Random) -> Planted | None:
    inner = "tf.convert_to_tensor(g)"
    mean = f"tf.reduce_mean({inner}, axis=list(range(len(g.shape) - 1)), keepdims=True)"
    line = EACH.format(f"{inner} - {mean} if len(g.shape) > 1 else g")
    return Planted(plan.with_process(line), wording.CENTRED)


def carried(plan: Plan, random: Random) -> Planted | None:
    """Part of the gradients of the steps before is kept."""
    share = between(random, 0.2, 0.8)
    top = ("memory = []",)
    lines = (
        "$grads = [tf.convert_to_tensor(g) for g in $grads]",
        f"$grads = [{share} * m + (1 - {share}) * g for m, g in zip(memory, $grads)] if memory else $grads",
        "memory[:] = $grads",
    )
    changed = replace(plan.with_process(*lines), top=(*plan.top, *top), decorated=False)
    return Planted(changed, both(wording.CARRIED, told(share, 1 - share)))


FAMILIES = tuple(
    Family(function.__name__, function)
    for function in (
        clipped_by_value,
        clipped_by_norm,
        clipped_by_global_norm,
        layers_scaled,
        all_scaled,
        paired_wrongly,
        penalised,
        through_half,
        signs,
        centralised,
        carried,
    )
)
