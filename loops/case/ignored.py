"""Finds names in a case file that look like settings and that nothing would ever read."""

import ast
from collections.abc import Iterator, Sequence

from loops.case.names import ARGUMENTS, FORMAT, HOOKS, near, place_of


def ignored(tree: ast.Module) -> str | None:
    """What to say of the first public name at the top level that looks like a setting and is none.

    A name that the file itself reads is the user's own.
    """
    places = dict(_assigned(tree.body))
    read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    for name, line in places.items():
        if name in FORMAT or name in read or name.startswith("_"):
            continue
        if place := place_of(name) or place_of(name.lower()):
            return f"{name} (line {line}) is no name of a case and nothing reads it: {place}."
        if name.startswith("on_"):
            return f"{name} (line {line}) is no hook of a case. There are {', '.join(HOOKS)}."
        meant = near(name, FORMAT) or near(name, ARGUMENTS)
        if meant and meant not in places:
            return f"{name} (line {line}) is no name of a case and nothing reads it. Did you mean {meant}?"
    return None


def _assigned(body: Sequence[ast.stmt]) -> Iterator[tuple[str, int]]:
    """Names that statements assign, and their lines; not those of functions and classes inside."""
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, statement.lineno
            case ast.ImportFrom(names=names):
                yield from ((alias.asname or alias.name, statement.lineno) for alias in names)
            case ast.Assign(targets=targets):
                yield from _stored(targets)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                yield from _stored([target])
            case ast.If() | ast.Try() | ast.With():
                for part in ("body", "orelse", "finalbody"):
                    yield from _assigned(getattr(statement, part, []))


def _stored(targets: Sequence[ast.expr]) -> Iterator[tuple[str, int]]:
    for target in targets:
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id, node.lineno
