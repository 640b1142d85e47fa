"""`case(...)`: the one line by which a script of the user's own names its model, its data and its step."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

from loops.case.names import SCRIPT, unknown


class Settings(TypedDict, total=False):
    """The optional keywords of case(). docs/diagnose.md says what each holds."""

    loss: Any
    train_step: Callable[..., Any] | None
    metrics: Any
    seed: int
    compile_args: dict[str, Any]
    fit_args: dict[str, Any]
    on_epoch_begin: Callable[..., Any]
    on_epoch_end: Callable[..., Any]
    on_train_end: Callable[..., Any]


@dataclass(frozen=True)
class Call:
    """One call of case(): its keywords, and where it stands."""

    settings: dict[str, Any]
    file: str
    line: int


_calls: ContextVar[list[Call] | None] = ContextVar("calls of case()", default=None)


def case(*, model: Any, optimizer: Any, batches: Any, **settings: Unpack[Settings]) -> None:
    """Name the parts of a training for `python -m loops diagnose`; in an ordinary run this does nothing.

    `model` and `optimizer` are objects or functions that make them, `batches` an iterable or a function
    that returns one.

    Raises:
        TypeError: a keyword is none of the format's.
    """
    for name in settings:
        if name not in SCRIPT:
            raise TypeError(f"case(): {unknown(name, SCRIPT)}")
    calls = _calls.get()
    if calls is not None:
        frame = inspect.stack(context=0)[1]
        given = {"model": model, "optimizer": optimizer, "batches": batches, **settings}
        calls.append(Call(given, frame.filename, frame.lineno))


@contextlib.contextmanager
def recording() -> Iterator[list[Call]]:
    """A context that notes the calls of case() inside."""
    calls: list[Call] = []
    token = _calls.set(calls)
    try:
        yield calls
    finally:
        _calls.reset(token)
