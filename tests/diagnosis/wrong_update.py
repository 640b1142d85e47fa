"""Mistakes in the update: how often, of which variables, by hand, what else moves the weights."""

from dataclasses import replace
from random import Random

from tests.diagnosis import wording
from tests.diagnosis.parts import literal
from tests.diagnosis.plan import Plan, taped
from tests.diagnosis.planting import Family, Planted, between, both, told


def updated_twice(plan: Plan, random: Random) -> Planted | None:
    return Planted(replace(plan, apply=(*plan.apply, *plan.apply)), wording.UPDATED_TWICE)


def variables_left_out(plan: Plan, random: Random) -> Planted | None:
    if plan.process or plan.kind.has("frozen"):
        return None
    which = random.choice(
        (
            "$model.trainable_variables[2:]",
            "$model.trainable_variables[:-1]",
            "$model.trainable_variables[-2:]",
            '[v for v in $model.trainable_variables if "bias" not in v.name]',
        )
    )
    return Planted(replace(plan, variables=which), wording.SOME)


def accumulated(plan: Plan, random: Random) -> Planted | None:
    every, mean = random.choice((2, 3, 4)), random.random() < 0.5
    by = f" / {every}.0" if mean else ""
    lines = (
        "pending.append([tf.convert_to_tensor(g) for g in $grads])",
        f"if len(pending) == {every}:",
        f"    $grads = [tf.add_n(each){by} for each in zip(*pending)]",
        *(f"    {line}" for line in plan.apply),
        "    pending.clear()",
    )
    changed = replace(plan, top=(*plan.top, "pending = []"), apply=lines, decorated=False)
    return Planted(changed, both("accumulat", rf"(?<![\d.]){every}(?!\d|\.\d)"))


def last_batch_skipped(plan: Plan, random: Random) -> Planted | None:
    sizes = plan.kind.sizes
    if len(set(sizes[:-1])) > 1 or sizes[-1] == sizes[0] or plan.kind.has("inputs"):
        return None
    lines = (f"if len($x) < {sizes[0]}:", "    return 0.0")
    return Planted(replace(plan, before=(*lines, *plan.before), decorated=False), wording.LAST_BATCH)


def decay_by_hand(plan: Plan, random: Random) -> Planted | None:
    if plan.kind.has("constrained"):
        return None
    much = between(random, 5e-4, 8e-3)
    only = random.random() < 0.4
    variables = (
        '[v for v in $model.trainable_variables if "kernel" in v.name]'
        if only
        else "$model.trainable_variables"
    )
    lines = (f"for v in {variables}:", f"    v.assign_sub({much} * v)")
    changed = (
        replace(plan, process=(*plan.process, *lines))
        if random.random() < 0.5
        else replace(plan, after=(*plan.after, *lines))
    )
    return Planted(changed, both("decay", told(much)))


def averages_put_back(plan: Plan, random: Random) -> Planted | None:
    if not plan.kind.has("batchnorm"):
        return None
    kept = '[v for v in $model.non_trainable_variables if "moving" in v.name]'
    before = (f"kept = [tf.identity(v) for v in {kept}]",)
    after = (f"for v, old in zip({kept}, kept):", "    v.assign(old)")
    return Planted(replace(plan, before=(*plan.before, *before), after=(*plan.after, *after)), wording.MOVING)


def in_pieces(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if not kind.has("batchnorm") or any(size % 2 for size in kind.sizes) or kind.has("random", "dropout"):
        return None
    lines = (
        "whole_x, whole_y, pieces = $x, $y, []",
        "for piece in range(2):",
        "    half = tf.shape(whole_x)[0] // 2",
        "    $x, $y = whole_x[piece * half : (piece + 1) * half], whole_y[piece * half : (piece + 1) * half]",
        *(f"    {line}" for line in taped(plan)),
        "    pieces.append($grads)",
        "$grads = [(tf.convert_to_tensor(a) + tf.convert_to_tensor(b)) / 2.0 for a, b in zip(*pieces)]",
    )
    return Planted(replace(plan, instead=lines), wording.PIECES)


def trained_again(plan: Plan, random: Random) -> Planted | None:
    """A second step on the same batch."""
    if plan.process or plan.own or plan.instead:
        return None
    return Planted(replace(plan, after=(*taped(plan), *plan.apply, *plan.after)), wording.UPDATED_TWICE)


def each_output(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if not kind.has("outputs") or kind.optimizer.name == "SGD":
        return None
    weighed = [
        term if part.weight == 1 else f"{part.weight} * {term}"
        for term, part in zip(plan.terms, kind.terms, strict=True)
    ]
    lines = (
        "if not $opt.built:",
        "    $opt.build($variables)",
        "with tf.GradientTape(persistent=True) as $tape:",
        "    $out = $model($x, training=True)",
        f"    parts = [{', '.join(weighed)}]",
        "    $loss = tf.add_n(parts)",
        "for part in parts:",
        "    own = [(g, v) for g, v in zip($tape.gradient(part, $variables), $variables) if g is not None]",
        "    $opt.apply_gradients(own)",
    )
    return Planted(replace(plan, instead=lines, apply=()), wording.EACH_OUTPUT)


def frozen_trained(plan: Plan, random: Random) -> Planted | None:
    if not plan.kind.has("frozen"):
        return None
    which = '[v for v in $model.variables if "moving" not in v.name and "seed" not in v.name]'
    changed = replace(
        plan,
        before=(*plan.before, "for layer in $model.layers[0].layers:", "    layer.trainable = True"),
        variables=which,
    )
    return Planted(changed, wording.FROZEN)


def by_hand(plan: Plan, random: Random) -> Planted | None:
    """The update written out, with another learning rate or momentum."""
    optimizer = plan.kind.optimizer
    options = optimizer.options
    if (
        optimizer.scheduled
        or plan.kind.has("clipped")
        or plan.kind.has("constrained")
        or plan.kind.has("ema")
    ):
        return None
    if optimizer.name == "SGD" and not options.get("nesterov"):
        rate, momentum = optimizer.rate, float(options.get("momentum", 0.0))
        which = random.choice(("rate", "momentum"))
        odd = between(random, 0.3, 0.8)
        if which == "rate":
            rate = float(f"{rate * odd:.3g}")
            expect = both("learning.rate", told(rate))
        else:
            momentum = odd if abs(odd - momentum) > 0.02 else odd + 0.1
            expect = both("momentum", told(momentum))
        return Planted(_sgd(plan, rate, momentum), expect)
    if optimizer.name == "Adam":
        return _adam(plan, random)
    if optimizer.name == "RMSprop" and "momentum" not in options:
        rho = between(random, 0.5, 0.85)
        top = ("squares = []",)
        lines: tuple[str, ...] = (
            "if not squares:",
            "    squares.extend(tf.Variable(tf.zeros_like(v)) for v in $variables)",
            "for s, v, g in zip(squares, $variables, $grads):",
            "    g = tf.convert_to_tensor(g)",
            f"    s.assign({rho} * s + (1 - {rho}) * g * g)",
            f"    v.assign_sub({literal(optimizer.rate)} * g / tf.sqrt(s + 1e-7))",
        )
        return Planted(
            replace(plan, top=(*plan.top, *top), apply=lines, decorated=False), both("rho", told(rho))
        )
    return None


def _sgd(plan: Plan, rate: float, momentum: float) -> Plan:
    if not momentum:
        plain = "for v, g in zip($variables, $grads):"
        return replace(plan, apply=(plain, f"    v.assign_sub({rate!r} * tf.convert_to_tensor(g))"))
    lines = (
        "if not speeds:",
        "    speeds.extend(tf.Variable(tf.zeros_like(v)) for v in $variables)",
        "for s, v, g in zip(speeds, $variables, $grads):",
        f"    s.assign({momentum!r} * s - {rate!r} * tf.convert_to_tensor(g))",
        "    v.assign_add(s)",
    )
    return replace(plan, top=(*plan.top, "speeds = []"), apply=lines, decorated=False)


def _adam(plan: Plan, random: Random) -> Planted:
    options = plan.kind.optimizer.options
    constants = {
        "rate": plan.kind.optimizer.rate,
        "beta_1": float(options.get("beta_1", 0.9)),
        "beta_2": float(options.get("beta_2", 0.999)),
    }
    which = random.choice(("rate", "beta_1", "beta_2"))
    if which == "rate":
        constants["rate"] = float(f"{constants['rate'] * between(random, 0.3, 0.8):.3g}")
    else:
        constants[which] = between(random, 0.5, 0.86)
    rate, one, two = constants.values()
    epsilon = float(options.get("epsilon", 1e-7))
    lines = (
        "if not state:",
        "    state.extend([tf.Variable(tf.zeros_like(v)) for _ in range(2)] for v in $variables)",
        "count.assign_add(1.0)",
        f"alpha = {rate!r} * tf.sqrt(1 - {two!r}**count) / (1 - {one!r}**count)",
        "for (m, s), v, g in zip(state, $variables, $grads):",
        "    g = tf.convert_to_tensor(g)",
        f"    m.assign({one!r} * m + (1 - {one!r}) * g)",
        f"    s.assign({two!r} * s + (1 - {two!r}) * g * g)",
        f"    v.assign_sub(alpha * m / (tf.sqrt(s) + {epsilon!r}))",
    )
    words = {"rate": "learning.rate", "beta_1": "beta_1", "beta_2": "beta_2"}[which]
    top = (*plan.top, "state, count = [], tf.Variable(0.0)")
    return Planted(replace(plan, top=top, apply=lines, decorated=False), both(words, told(constants[which])))


def constraints_forgotten(plan: Plan, random: Random) -> Planted | None:
    """A right update by hand, which leaves out the constraints."""
    if not plan.kind.has("constrained"):
        return None
    options = plan.kind.optimizer.options
    return Planted(_sgd(plan, plan.kind.optimizer.rate, float(options["momentum"])), wording.CONSTRAINTS)


FAMILIES = tuple(
    Family(function.__name__, function)
    for function in (
        updated_twice,
        variables_left_out,
        accumulated,
        last_batch_skipped,
        decay_by_hand,
        averages_put_back,
        trained_again,
        each_output,
        frozen_trained,
        by_hand,
        constraints_forgotten,
    )
)
