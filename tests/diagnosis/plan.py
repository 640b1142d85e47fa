"""A training step in pieces, which a mistake can change one at a time, and the case file that they make."""

from dataclasses import dataclass, replace
from random import Random

from tests.diagnosis.losses import as_function, as_object, in_tensorflow
from tests.diagnosis.parts import Kind, Optimizer, Term

NAMES = {
    "model": ("model", "net", "network"),
    "x": ("x", "inputs", "features"),
    "y": ("y", "targets", "labels"),
    "w": ("weights", "w", "sample_weight"),
    "out": ("out", "predictions", "y_pred"),
    "tape": ("tape", "t"),
    "loss": ("loss", "value", "total"),
    "grads": ("grads", "gradients", "g"),
    "opt": ("optimizer", "opt"),
}
Lines = tuple[str, ...]
AVERAGED_AT_THE_END = """
def on_train_end(model, optimizer):
    optimizer.finalize_variable_values(model.trainable_variables)
"""


@dataclass(frozen=True)
class Plan:
    """The pieces of a step, as source text in which $model, $x, $y and so on stand for the step's own names.

    `terms` are the losses of the outputs, weighed as in fit(); `rows` how each is written: "object",
    "function" or "tensorflow". `instead` stands for the whole of pass, loss and gradients. `own` is an
    optimizer of the step's own instead of the one that it is handed.
    """

    kind: Kind
    rows: str = "object"
    decorated: bool = True
    top: Lines = ()
    before: Lines = ()
    inputs: str = "$x"
    flag: str = "True"
    after_call: Lines = ()
    terms: Lines = ()
    added: str = ""
    factor: str = ""
    penalty: str = ""
    variables: str = "$model.trainable_variables"
    process: Lines = ()
    apply: Lines = ()
    instead: Lines = ()
    after: Lines = ()
    own: Optimizer | None = None
    hooks: str = ""

    def with_process(self, *lines: str) -> "Plan":
        return replace(self, process=(*self.process, *lines))


def right_plan(kind: Kind, random: Random) -> Plan:
    """A step that does what fit() does, in one of several styles."""
    rows = random.choice(("object", "object", "function", "tensorflow"))
    plan = Plan(
        kind,
        rows,
        decorated=random.random() < 0.7,
        terms=tuple(loss_of(kind, term, rows, index) for index, term in enumerate(kind.terms)),
        added="sum($model.losses)" if kind.has("losses") else "",
        apply=(
            random.choice(
                ("$opt.apply_gradients(zip($grads, $variables))", "$opt.apply($grads, $variables)")
            ),
        ),
    )
    return replace(plan, hooks=AVERAGED_AT_THE_END) if kind.has("ema") else plan


def unreduced(kind: Kind, term: Term, rows: str) -> str:
    """The loss of each row, time step or pixel."""
    y, out = term.of("$y"), term.of("$out")
    if rows == "tensorflow":
        return in_tensorflow(term.loss, y, out)
    return as_function(term.loss, y, out)


def loss_of(kind: Kind, term: Term, rows: str, index: int) -> str:
    """The loss of one output as fit() computes it, without its loss weight."""
    y, out = term.of("$y"), term.of("$out")
    weights = row_weights(kind)
    if rows == "object":
        given = f", sample_weight={weights}" if weights else ""
        return f"loss_{index}({y}, {out}{given})"
    values = unreduced(kind, term, rows)
    if kind.mask:
        mask = f"tf.cast({kind.mask}, tf.float32)"
        return f"tf.reduce_sum({values} * {mask}) / tf.reduce_sum({mask})"
    return f"tf.reduce_mean({values} * {weights})" if weights else f"tf.reduce_mean({values})"


def row_weights(kind: Kind) -> str:
    """What weighs the rows, as source text; empty where nothing does."""
    if kind.weight == "class":
        return "tf.gather(BY_CLASS, $y)"
    return "$w" if kind.weight == "sample" else ""


def total(plan: Plan) -> str:
    """The loss that is differentiated."""
    weighed = [
        term if part.weight == 1 else f"{part.weight} * {term}"
        for term, part in zip(plan.terms, plan.kind.terms, strict=True)
        if term
    ]
    text = " + ".join([*weighed, *([plan.added] if plan.added else [])])
    text = f"{plan.factor} * ({text})" if plan.factor else text
    return f"{text} + {plan.penalty}" if plan.penalty else text


def source_of(plan: Plan, random: Random) -> str:
    """The case file."""
    kind = plan.kind
    names = {name: random.choice(words) for name, words in NAMES.items()}
    text = "\n".join(
        [_head(kind), kind.model, _optimizers(plan), kind.data, *plan.top, "", _step(plan), "", plan.hooks]
    )
    text = text.replace("$variables", plan.variables)
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(f"${name}", names[name])
    return text


def _head(kind: Kind) -> str:
    sizes = ", ".join(map(str, kind.sizes))
    return "\n".join(
        [
            "import numpy as np\nimport tensorflow as tf\nfrom tensorflow import keras\n",
            f"SIZES = ({sizes})",
            *(f"loss_{i} = {as_object(term.loss)}" for i, term in enumerate(kind.terms)),
            _compiled(kind),
        ]
    )


def _compiled(kind: Kind) -> str:
    """What compile() and fit() get."""
    lines = []
    if len(kind.terms) == 1 and not kind.terms[0].key:
        lines.append("loss = loss_0")
    else:
        pairs = [(term.key, f"loss_{i}") for i, term in enumerate(kind.terms)]
        inner = (
            ", ".join(name for _, name in pairs) if kind.listed else ", ".join(f"{k}: {v}" for k, v in pairs)
        )
        lines.append(f"loss = [{inner}]" if kind.listed else f"loss = {{{inner}}}")
    if any(term.weight != 1 for term in kind.terms):
        inner = ", ".join(str(t.weight) if kind.listed else f"{t.key}: {t.weight}" for t in kind.terms)
        lines.append(f'compile_args = {{"loss_weights": {f"[{inner}]" if kind.listed else f"{{{inner}}}"}}}')
    if kind.weight == "class":
        weights = ", ".join(map(str, kind.class_weight))
        lines.append(f"BY_CLASS = tf.constant([{weights}])")
        pairs_of = ", ".join(f"{i}: {w}" for i, w in enumerate(kind.class_weight))
        lines.append(f'fit_args = {{"class_weight": {{{pairs_of}}}}}')
    return "\n".join(lines)


def _optimizers(plan: Plan) -> str:
    made = plan.kind.optimizer.source("make_optimizer")
    return f"{made}\n\n{plan.own.source('make_mine')}\n\nmine = make_mine()\n" if plan.own else made


def taped(plan: Plan) -> Lines:
    """The pass under a tape, the loss, and its gradients."""
    return (
        "with tf.GradientTape() as $tape:",
        f"    $out = $model({plan.inputs}{f', training={plan.flag}' if plan.flag else ''})",
        *(f"    {line}" for line in plan.after_call),
        f"    $loss = {total(plan)}",
        "$grads = $tape.gradient($loss, $variables)",
    )


def _step(plan: Plan) -> str:
    weighed = ", $w" if plan.kind.weight == "sample" else ""
    body = [
        *plan.before,
        *(plan.instead or taped(plan)),
        *plan.process,
        *(line.replace("$opt", "mine") if plan.own else line for line in plan.apply),
        *plan.after,
        "return $loss",
    ]
    head = ["@tf.function"] * plan.decorated + [f"def train_step($model, $opt, $x, $y{weighed}):"]
    return "\n".join([*head, *(f"    {line}" for line in body)])
