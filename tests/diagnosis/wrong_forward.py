"""Mistakes in the forward pass: the training flag, the inputs, the rows, passes too many."""

from dataclasses import replace
from random import Random

from tests.diagnosis import wording
from tests.diagnosis.plan import Plan
from tests.diagnosis.planting import Family, Planted, between, both, told


def flag_missing(plan: Plan, random: Random) -> Planted | None:
    if plan.kind.is_free_of("dropout", "batchnorm"):
        return None
    return Planted(replace(plan, flag=random.choice(("False", ""))), wording.FLAG)


def extra_pass(plan: Plan, random: Random) -> Planted | None:
    if plan.kind.is_free_of("dropout", "batchnorm"):
        return None
    line = "$model($x, training=True)"
    changed = (
        replace(plan, before=(*plan.before, line)) if random.random() < 0.6 else replace(plan, after=(line,))
    )
    seen = wording.PASS if plan.kind.has("batchnorm") else wording.any_of(wording.PASS, wording.SEEDS)
    return Planted(changed, seen)


def inputs_scaled(plan: Plan, random: Random) -> Planted | None:
    if not plan.kind.has("floats") or plan.kind.has("constrained"):
        return None
    kind = random.choice(("times", "over", "shifted"))
    if kind == "over":
        by = random.choice((2, 10, 127, 255))
        return Planted(replace(plan, inputs=f"$x / {by}.0"), both(wording.INPUTS, told(float(by), 1 / by)))
    factor, shift = between(random, 0.2, 0.9), between(random, 0.05, 0.6)
    if kind == "times":
        return Planted(replace(plan, inputs=f"$x * {factor}"), both(wording.INPUTS, told(factor)))
    return Planted(
        replace(plan, inputs=f"$x * {factor} - {shift}"),
        both(wording.INPUTS, f"{told(factor)}.*{told(shift)}"),
    )


def inputs_cast(plan: Plan, random: Random) -> Planted | None:
    if not plan.kind.has("floats") or plan.kind.has("padded"):
        return None
    kind = random.choice(("float16", "bfloat16"))
    return Planted(
        replace(plan, inputs=f"tf.cast(tf.cast($x, tf.{kind}), tf.float32)"),
        both("inputs?", rf"(?<!b){kind}"),
    )


def rows_dropped(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if kind.has("outputs") or kind.has("inputs"):
        return None
    parts = "$x, $y" + (", $w" if kind.weight == "sample" else "")
    gone = random.choice((1, 2, 3))
    cut = random.choice(("last", "first", "half"))
    part = {"last": f"[:-{gone}]", "first": f"[{gone}:]", "half": "[: tf.shape($x)[0] // 2]"}[cut]
    line = ", ".join(f"{each}{part}" for each in parts.split(", "))
    if cut == "half":
        line = line.replace("tf.shape($x)", "tf.shape($x)")
        lines: tuple[str, ...] = (
            "half = tf.shape($x)[0] // 2",
            f"{parts} = {line.replace('tf.shape($x)[0] // 2', 'half')}",
        )
    else:
        lines = (f"{parts} = {line}",)
    return Planted(replace(plan, before=(*plan.before, *lines)), wording.ROWS)


def targets_rolled(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if kind.has("outputs") or kind.has("padded") or kind.weight or kind.has("pixels"):
        return None
    line = random.choice(("$y = tf.roll($y, 1, axis=0)", "$y = $y[::-1]", "$y = tf.roll($y, -1, axis=0)"))
    return Planted(replace(plan, before=(*plan.before, line)), wording.ROLLED)


FAMILIES = (
    Family("flag_missing", flag_missing),
    Family("extra_pass", extra_pass),
    Family("inputs_scaled", inputs_scaled),
    Family("inputs_cast", inputs_cast),
    Family("rows_dropped", rows_dropped),
    Family("targets_rolled", targets_rolled),
)
