"""What a case gives, whether a file's top-level names or a script's line case(...) say it."""

import ast
import os
from typing import Any, NamedTuple

from loops.case.errors import CaseError
from loops.case.execution import Execution
from loops.case.ignored import ignored
from loops.case.names import FORMAT, near
from loops.case.settings import problems
from loops.case.suggestion import suggestion

NEEDED = ("make_model", "make_optimizer", "batches")
MADE = ("make_model", "make_optimizer")  # a script gives these as model and optimizer, made or not


class Form(NamedTuple):
    """The values by the names of the format, and whether a script's case(...) gave them."""

    given: dict[str, Any]
    of_script: bool

    def shown(self, name: str) -> str:
        """A name as the user wrote it."""
        if not self.of_script:
            return f"{name}()" if name in MADE else name
        return f"{name.removeprefix('make_')} of case()"


def read_form(execution: Execution) -> Form:
    """What the executed file gives.

    Raises:
        CaseError: a name is missing, unknown or looks like a setting and is none, or a value is wrong.
    """
    form = _of_calls(execution) if execution.calls else _of_names(execution)
    for problem in problems(form.given):
        raise CaseError(f"{execution.path}: {problem}")
    return form


def _of_calls(execution: Execution) -> Form:
    own = [
        call for call in execution.calls if os.path.realpath(call.file) == os.path.realpath(execution.path)
    ]
    calls = own or execution.calls  # a script that is imported may have a line of its own
    if len(calls) > 1:
        lines = " and ".join(f"{call.file}:{call.line}" for call in calls)
        raise CaseError(f"{execution.path}: case() is called more than once ({lines}). Leave one call.")
    settings = {key: execution.replaced.get(id(v), v) for key, v in calls[0].settings.items()}
    return Form(
        {f"make_{name}" if f"make_{name}" in MADE else name: value for name, value in settings.items()},
        of_script=True,
    )


def _of_names(execution: Execution) -> Form:
    path, held = execution.path, vars(execution.module)
    given = {name: held[name] for name in FORMAT if name in held}
    tree = ast.parse(path.read_bytes())
    meant = {near(name, FORMAT) for name in held if not name.startswith("_")}
    if not meant & {*MADE}:
        raise CaseError(suggestion(path, execution.module, tree))
    if told := ignored(tree):
        raise CaseError(f"{path}: {told}")
    missing = [name for name in NEEDED if name not in given]
    if missing:
        needed = ", ".join(NEEDED)
        raise CaseError(
            f"{path}: defines no {', '.join(missing)}. A case must define {needed}, "
            "and in most cases loss and train_step."
        )
    for name in MADE:
        if not callable(given[name]):
            raise CaseError(f"{path}: {name} is not a function.")
    return Form(given, of_script=False)
