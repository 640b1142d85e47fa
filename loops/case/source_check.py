"""What is wrong with a case file can be seen before TensorFlow starts, if it is no Python."""

import ast
from pathlib import Path

from loops.errors import UserError


def refuse_no_python(path: Path) -> None:
    """Refuse a file that is not there or that Python cannot read.

    Raises:
        UserError: the text has the line and what stands there.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file. docs/diagnose.md says what a case file holds.")
    if path.suffix != ".py":
        raise UserError(f"{path}: is no Python file; its name must end in .py.")
    try:
        ast.parse(path.read_bytes())
    except SyntaxError as error:
        there = f": {error.text.strip()}" if error.text and error.text.strip() else ""
        raise UserError(f"{path}: SyntaxError (line {error.lineno}): {error.msg}{there}") from None
    except (OSError, ValueError) as error:  # ValueError: null bytes
        raise UserError(f"{path}: cannot be read ({error}).") from None
