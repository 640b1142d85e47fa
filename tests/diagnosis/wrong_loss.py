"""Mistakes in the loss: its size, its terms, its weights, the wrong loss."""

from dataclasses import replace
from random import Random

from tests.diagnosis import wording
from tests.diagnosis.losses import as_function, as_object
from tests.diagnosis.parts import Loss
from tests.diagnosis.plan import Plan, loss_of, row_weights, unreduced
from tests.diagnosis.planting import Family, Planted, between, both, told

OTHERS = {
    "MeanSquaredError": (("keras.losses.mae", "mae|absolute"), ("keras.losses.logcosh", "log_?cosh")),
    "MeanAbsoluteError": (("keras.losses.mse", "mse|squared"),),
    "Huber": (("keras.losses.mse", "mse|squared"), ("keras.losses.mae", "mae|absolute")),
}


def _single(plan: Plan) -> bool:
    return (
        len(plan.kind.terms) == 1
        and not plan.kind.weight
        and not plan.kind.mask
        and "sample_weight" not in plan.terms[0]
    )


def loss_scaled(plan: Plan, random: Random) -> Planted | None:
    factor = between(random, 0.08, 0.7)
    if not plan.kind.optimizer.name.startswith("SGD") and random.random() < 0.5:
        factor = between(random, 1.5, 20.0)
    if plan.factor:
        return None
    return Planted(replace(plan, factor=str(factor)), both(wording.SCALED, told(factor, 1 / factor)))


def sum_for_mean(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if not _single(plan) or kind.optimizer.name == "SGD":
        return None
    values = unreduced(kind, kind.terms[0], plan.rows)
    return Planted(replace(plan, terms=(f"tf.reduce_sum({values})",)), wording.SUM)


def divided_by_constant(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if not _single(plan) or kind.has("time") or kind.has("pixels") or len(set(kind.sizes)) == 1:
        return None
    by = random.choice((kind.sizes[0], kind.sizes[0] + random.randint(1, 30)))
    values = unreduced(kind, kind.terms[0], plan.rows)
    return Planted(
        replace(plan, terms=(f"tf.reduce_sum({values}) / {by}.0",)), both(wording.DIVIDED, told(float(by)))
    )


def summed_over_places(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if not _single(plan) or not (kind.has("time") or kind.has("pixels")):
        return None
    values = unreduced(kind, kind.terms[0], plan.rows)
    axes = "[1, 2]" if kind.has("pixels") else "1"
    return Planted(
        replace(plan, terms=(f"tf.reduce_mean(tf.reduce_sum({values}, axis={axes}))",)),
        wording.SUM_OVER,
    )


def smoothed(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    loss = kind.terms[0].loss
    if not _single(plan) or loss.name not in ("CategoricalCrossentropy", "BinaryCrossentropy"):
        return None
    much = between(random, 0.02, 0.3)
    made = f"{as_object(loss.changed(label_smoothing=much))}($y, $out)"
    return Planted(replace(plan, terms=(made,)), both("smoothing", told(much)))


def softmax_twice(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    loss = kind.terms[0].loss
    if len(kind.terms) > 1 or "Crossentropy" not in loss.name or kind.has("padded") or kind.has("ignored"):
        return None
    if loss.name == "BinaryCrossentropy":
        line = "$out = tf.nn.sigmoid($out) * 1.0"  # else Keras finds the logits behind it
    else:
        line = "$out = tf.nn.softmax($out) * 1.0"
    return Planted(replace(plan, after_call=(*plan.after_call, line)), wording.TWO_SOFTMAX)


def logits_taken(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    loss = kind.terms[0].loss
    if not _single(plan) or not loss.of_logits:
        return None
    return Planted(
        replace(plan, terms=(f"{as_object(loss.without('from_logits'))}($y, $out)",)), wording.LOGITS
    )


def other_loss(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if not _single(plan) or kind.terms[0].loss.name not in OTHERS:
        return None
    function, expect = random.choice(OTHERS[kind.terms[0].loss.name])
    return Planted(replace(plan, terms=(f"tf.reduce_mean({function}($y, $out))",)), both("loss", expect))


def other_delta(plan: Plan, random: Random) -> Planted | None:
    if plan.kind.terms[0].loss.name not in ("Huber", "MeanSquaredError") or not _single(plan):
        return None
    delta = between(random, 0.15, 0.6)
    term = f"{as_object(Loss('Huber', {'delta': delta}))}($y, $out)"
    return Planted(replace(plan, terms=(term,)), both("huber|delta", told(delta)))


def mask_ignored(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if not kind.has("padded"):
        return None
    values = unreduced(kind, kind.terms[0], plan.rows)
    return Planted(replace(plan, terms=(f"tf.reduce_mean({values})",)), wording.MASK)


def padding_in_divisor(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if not kind.mask:
        return None
    values = unreduced(kind, kind.terms[0], plan.rows)
    term = f"tf.reduce_mean({values} * tf.cast({kind.mask}, tf.float32))"
    return Planted(replace(plan, terms=(term,)), wording.DIVISOR)


def ignored_counted(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if not kind.has("ignored"):
        return None
    loss = kind.terms[0].loss.without("ignore_class")
    return Planted(
        replace(plan, terms=(f"tf.reduce_mean({as_function(loss, '$y', '$out')})",)), wording.IGNORED
    )


def row_weights_ignored(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if not kind.weight:
        return None
    values = unreduced(kind, kind.terms[0], plan.rows)
    return Planted(
        replace(plan, terms=(f"tf.reduce_mean({values})",)), rf"{kind.weight}.?weights?\b.*{wording.LOST}"
    )


def row_weights_normalised(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if not kind.weight:
        return None
    values, weights = unreduced(kind, kind.terms[0], plan.rows), row_weights(kind)
    term = f"tf.reduce_sum({values} * {weights}) / tf.reduce_sum({weights} * tf.ones_like({values}))"
    return Planted(replace(plan, terms=(term,)), wording.SUM_OF_WEIGHTS)


def class_weight(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if kind.weight != "class":
        return None
    index = random.randrange(len(kind.class_weight))
    factor = random.choice((between(random, 0.2, 0.7), between(random, 1.4, 3.0)))
    changed = float(f"{kind.class_weight[index] * factor:.3g}")
    own = [str(changed if i == index else w) for i, w in enumerate(kind.class_weight)]
    values = unreduced(kind, kind.terms[0], plan.rows)
    term = f"tf.reduce_mean({values} * tf.gather(tf.constant([{', '.join(own)}]), $y))"
    return Planted(
        replace(plan, terms=(term,)), both("class", told(changed, changed / kind.class_weight[index]))
    )


def loss_weights_forgotten(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if not kind.has("weighed"):
        return None
    terms = tuple(f"{1 / part.weight!r} * {term}" for part, term in zip(kind.terms, plan.terms, strict=True))
    return Planted(replace(plan, terms=terms), wording.LOSS_WEIGHTS)


def output_weight(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if not kind.has("outputs"):
        return None
    index = random.randrange(len(kind.terms))
    factor = between(random, 0.1, 0.7)
    terms = tuple(f"{factor} * {term}" if i == index else term for i, term in enumerate(plan.terms))
    return Planted(replace(plan, terms=terms), both("weigh", told(factor, factor * kind.terms[index].weight)))


def output_left_out(plan: Plan, random: Random) -> Planted | None:
    if not plan.kind.has("outputs"):
        return None
    index = random.randrange(len(plan.terms))
    terms = tuple("" if i == index else term for i, term in enumerate(plan.terms))
    name = plan.kind.terms[index].key.strip('"')
    which = "" if plan.kind.listed else rf"(?=.*\b{name}\b)"
    return Planted(replace(plan, terms=terms), f"{which}(?:{wording.OUTPUT})")


def added_losses_left_out(plan: Plan, random: Random) -> Planted | None:
    if not plan.kind.has("losses"):
        return None
    return Planted(replace(plan, added=""), wording.ADDED)


def added_losses_scaled(plan: Plan, random: Random) -> Planted | None:
    if not plan.kind.has("losses"):
        return None
    if random.random() < 0.3:
        return Planted(replace(plan, added="2.0 * sum($model.losses)"), wording.ADDED_TWICE)
    factor = between(random, 0.05, 5.0)
    return Planted(
        replace(plan, added=f"{factor} * sum($model.losses)"), both(wording.ADDED_SCALED, told(factor))
    )


def penalty(plan: Plan, random: Random) -> Planted | None:
    kind = plan.kind
    if plan.penalty or kind.has("losses"):
        return None
    much = between(random, 2e-3, 3e-2)
    which = random.choice(
        ("$model.trainable_variables", '[v for v in $model.trainable_variables if "kernel" in v.name]')
    )
    form, shown = random.choice(
        (
            ("tf.nn.l2_loss(v)", told(much)),
            ("tf.reduce_sum(tf.square(v))", told(2 * much, much)),
            ("tf.reduce_sum(tf.abs(v))", told(much)),
        )
    )
    text = f"{much} * tf.add_n([{form} for v in {which}])"
    return Planted(replace(plan, penalty=text), both("L1" if "abs" in form else "L2|decay", shown))


def sums_and_means(plan: Plan, random: Random) -> Planted | None:
    """The data's loss summed where the added losses stay as they are."""
    kind = plan.kind
    if not kind.has("losses") or len(kind.terms) > 1 or kind.weight or kind.mask:
        return None
    factor = between(random, 0.1, 0.6)
    return Planted(
        replace(plan, terms=(f"{factor} * {loss_of(kind, kind.terms[0], plan.rows, 0)}",)),
        both(wording.SCALED, told(factor, 1 / factor)),
    )


FAMILIES = tuple(
    Family(function.__name__, function)
    for function in (
        loss_scaled,
        sum_for_mean,
        divided_by_constant,
        summed_over_places,
        smoothed,
        softmax_twice,
        logits_taken,
        other_loss,
        other_delta,
        mask_ignored,
        padding_in_divisor,
        ignored_counted,
        row_weights_ignored,
        row_weights_normalised,
        class_weight,
        loss_weights_forgotten,
        output_weight,
        output_left_out,
        added_losses_left_out,
        added_losses_scaled,
        penalty,
        sums_and_means,
    )
)
