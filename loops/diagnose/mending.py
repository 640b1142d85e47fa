"""Puts the names that the user's own step has into the mended code, and says which line it is."""

import ast
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path

from loops.case.loading import Case

DEFAULTS = {name: name for name in ("model", "optimizer", "x", "y", "loss", "predictions", "loss_fn")}
VARIABLES = ("trainable_variables", "trainable_weights", "weights")
UPDATES = ("apply_gradients", "apply")
Names = dict[str, str]  # what stands in braces in a piece of advice, and the user's own words for it


def mended(path: Path, advice: Sequence[str]) -> tuple[str, ...]:
    """The advice with the names of the user's step; the usual names where the step cannot be read."""
    names = DEFAULTS | names_of_step(path)
    names.setdefault("loss_value", "{loss_fn}({y}, {predictions})".format(**names))
    return tuple(_filled(line, names) for line in advice)


def _filled(line: str, names: Names) -> str:
    for name, word in names.items():
        line = line.replace(f"{{{name}}}", word)
    return line


def names_of_step(path: Path) -> Names:
    """What the step calls its model, optimizer, inputs, targets, outputs and loss, and how it gets its loss.

    What cannot be read is left out.
    """
    try:
        tree, function = _source(path)
    except (OSError, SyntaxError, TypeError):
        return {}
    step = _step_in(tree, function)
    if step is None:
        return {}
    found = dict(_of_calls(step))
    names = {**_of_arguments(step, found), **found}
    return {**names, **_of_assignments(step, names)}


def _source(path: Path) -> tuple[ast.Module, str]:
    """The file in which the step stands, and the step's name."""
    case = Case(path)
    step = case.train_step or type(case.model(case.epoch(1)[0])).train_step
    step = inspect.unwrap(getattr(step, "python_function", step))
    file = inspect.getsourcefile(step) or str(path)
    return ast.parse(Path(file).read_bytes()), getattr(step, "__name__", "")


def _step_in(tree: ast.Module, name: str) -> ast.FunctionDef | None:
    """The function of this name that holds a tape; else the first one that does."""
    functions = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef) and _holds_tape(each)]
    return next((each for each in functions if each.name == name), next(iter(functions), None))


def _holds_tape(function: ast.FunctionDef) -> bool:
    return any(
        "GradientTape" in ast.unparse(each.items[0])
        for each in ast.walk(function)
        if isinstance(each, ast.With)
    )


def _calls(step: ast.FunctionDef) -> Iterator[ast.Call]:
    found = [each for each in ast.walk(step) if isinstance(each, ast.Call)]
    return iter(sorted(found, key=lambda call: (call.lineno, call.col_offset)))


def _of_calls(step: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """The names that calls in the step show: of the model, the optimizer, the inputs and the loss."""
    models = [
        each.value for each in ast.walk(step) if isinstance(each, ast.Attribute) and each.attr in VARIABLES
    ]
    is_method = [each.arg for each in step.args.args[:1]] == ["self"]
    model = "self" if is_method else ast.unparse(models[0]) if models else ""
    seen: set[str] = set()
    for call in _calls(step):
        for name, node in _shown(call, model):
            word = ast.unparse(node)
            if name not in seen and len(word) < 40:
                seen.add(name)
                yield name, word
    if model:
        yield "model", model


def _shown(call: ast.Call, model: str) -> Iterator[tuple[str, ast.expr]]:
    function = call.func
    if ast.unparse(function) == model and call.args:
        yield "x", call.args[0]
    if isinstance(function, ast.Attribute) and function.attr in UPDATES:
        yield "optimizer", function.value
    if isinstance(function, ast.Attribute) and function.attr == "gradient" and call.args:
        yield "loss", call.args[0]


def _of_arguments(step: ast.FunctionDef, found: Names) -> Names:
    """The names of inputs and targets as the step's arguments, or the parts of its one argument."""
    taken = {"self", *(word for name, word in found.items() if name in ("model", "optimizer"))}
    names = [argument.arg for argument in step.args.args if argument.arg not in taken]
    for each in ast.walk(step):
        if not isinstance(each, ast.Assign) or len(names) != 1 or ast.unparse(each.value) != names[0]:
            continue
        if isinstance(each.targets[0], ast.Tuple):
            names = [ast.unparse(part) for part in each.targets[0].elts]
    if names[:1] in (["model"], ["net"]):
        names = names[1:]
    return dict(zip(("x", "y"), [each for each in names if each != "optimizer"], strict=False))


def _of_assignments(step: ast.FunctionDef, names: Names) -> Names:
    """What the step calls the model's outputs and its loss function, and how it gets its loss."""
    found: Names = {}
    assigned = [
        (each.targets[0].id, each.value)
        for each in ast.walk(step)
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name)
    ]
    for name, value in assigned:
        if isinstance(value, ast.Call) and ast.unparse(value.func) == names.get("model"):
            found.setdefault("predictions", name)
    compared = {names.get("y"), found.get("predictions")}
    for call in _calls(step):
        if len(call.args) == len(compared) == 2 and {ast.unparse(each) for each in call.args} == compared:
            found.setdefault("loss_fn", ast.unparse(call.func))
    values = [ast.unparse(value) for name, value in assigned if name == names.get("loss")]
    if (
        len(values) == 1
        and "loss_fn" in found
        and values[0].startswith(f"{found['loss_fn']}(")
        and "+" not in values[0]
    ):
        found["loss_value"] = values[0]
    return found
