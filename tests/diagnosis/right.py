"""Right loops: what fit() does, written in many ways."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.diagnosis.parts import Kind, literal
from tests.diagnosis.plan import Lines, Plan, right_plan, row_weights, taped, total, unreduced

Way = Callable[[Plan, Random], Plan | None]


def plain(plan: Plan, random: Random) -> Plan | None:
    return plan


def by_sums(plan: Plan, random: Random) -> Plan | None:
    """A sum over all values divided by their number."""
    kind = plan.kind
    if len(kind.terms) > 1 or kind.mask:
        return None
    values, weights = unreduced(kind, kind.terms[0], plan.rows), row_weights(kind)
    weighed = f"{values} * {weights}" if weights else values
    term = f"tf.reduce_sum({weighed}) / tf.cast(tf.size({values}), tf.float32)"
    return replace(plan, terms=(term,))


def scaled_and_back(plan: Plan, random: Random) -> Plan | None:
    """A loss scale of the step's own, taken off the gradients again.

    An Embedding's gradient would be made dense by that, which is another update under Adam.
    """
    if plan.kind.has("ema") or plan.kind.has("embedding"):
        return None
    line = "$grads = [tf.convert_to_tensor(g) / 16.0 for g in $grads]"
    return replace(plan, factor="16.0", process=(line,))


def output_by_output(plan: Plan, random: Random) -> Plan | None:
    """Gradients of each output's loss, added up."""
    kind = plan.kind
    if not kind.has("outputs"):
        return None
    weighed = [f"{part.weight} * {term}" for term, part in zip(plan.terms, kind.terms, strict=True)]
    lines: Lines = (
        "with tf.GradientTape(persistent=True) as $tape:",
        "    $out = $model($x, training=True)",
        f"    parts = [{', '.join(weighed)}]",
        "    $loss = tf.add_n(parts)",
        "found = [$tape.gradient(part, $variables) for part in parts]",
        "$grads = [tf.add_n([g for g in each if g is not None]) for each in zip(*found)]",
    )
    return replace(plan, instead=lines)


def in_halves(plan: Plan, random: Random) -> Plan | None:
    """Two halves of a batch, weighed by their rows; where rows do not see each other this is the same."""
    kind = plan.kind
    entangled = {
        "batchnorm",
        "dropout",
        "random",
        "outputs",
        "inputs",
        "batchloss",
        "losses",
        "padded",
        "ignored",
    }
    if not kind.is_free_of(*entangled) or kind.weight:
        return None
    lines: Lines = (
        "whole_x, whole_y, $grads = $x, $y, None",
        "half = len(whole_x) // 2",
        "for part in (slice(0, half), slice(half, None)):",
        "    $x, $y = whole_x[part], whole_y[part]",
        *(f"    {line.replace('$grads', 'own')}" for line in taped(plan)),
        "    own = [tf.convert_to_tensor(g) * (len($x) / len(whole_x)) for g in own]",
        "    $grads = own if $grads is None else [a + b for a, b in zip($grads, own)]",
    )
    return replace(plan, instead=lines, decorated=False)


def by_hand(plan: Plan, random: Random) -> Plan | None:
    """The update of SGD written out."""
    optimizer = plan.kind.optimizer
    if optimizer.name != "SGD" or optimizer.scheduled or not set(optimizer.options) <= {"learning_rate"}:
        return None
    lines = (
        "for v, g in zip($variables, $grads):",
        f"    v.assign_sub({literal(optimizer.rate)} * tf.convert_to_tensor(g))",
    )
    return replace(plan, apply=lines)


def one_by_one(plan: Plan, random: Random) -> Plan | None:
    """Pairs of gradients and variables, put together one by one, in the reverse order."""
    lines = (
        "pairs = []",
        "for g, v in zip($grads, $variables):",
        "    pairs.insert(0, (g, v))",
        "$opt.apply_gradients(pairs)",
    )
    built = ("if not $opt.built:", "    $opt.build($variables)")
    return replace(plan, before=built, apply=lines)


def metrics_too(plan: Plan, random: Random) -> Plan | None:
    """A second pass in inference mode, for metrics."""
    if plan.kind.has("losses") and plan.kind.has("batchloss"):
        return None
    return replace(plan, after=("$model($x, training=False)",))


def loss_helper(plan: Plan, random: Random) -> Plan | None:
    """The loss in a nested function."""
    lines: Lines = (
        "def objective():",
        "    $out = $model($x, training=True)",
        f"    return {total(plan)}",
        "with tf.GradientTape(persistent=True) as $tape:",
        "    $loss = objective()",
        "$grads = $tape.gradient($loss, $variables)",
    )
    return replace(plan, instead=lines)


WAYS: tuple[Way, ...] = (
    plain, by_sums, scaled_and_back, output_by_output, in_halves, by_hand, one_by_one, metrics_too,
    loss_helper,
)  # fmt: skip


def right_plans(kind: Kind, random: Random) -> list[tuple[str, Plan]]:
    """Each way in which a step for this kind can be written."""
    found = [(way.__name__, way(right_plan(kind, random), random)) for way in WAYS]
    return [(name, plan) for name, plan in found if plan]
