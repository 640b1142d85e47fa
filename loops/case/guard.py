"""While user code runs: os._exit() raises, and a real Ctrl-C is told from a KeyboardInterrupt of the code."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from loops.case.errors import ProcessEnded

_EXIT = os._exit  # another file that must leave at once keeps a reference of its own, as here


class Interrupted(BaseException):
    """Ctrl-C, where nobody else handles SIGINT. It must pass all that catches the errors of user code."""


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """A context for user code.

    Raises:
        KeyboardInterrupt: Ctrl-C, where Python's own handler was installed.
    """
    owner, before = os.getpid(), os._exit

    def refuse(status: int = 0) -> NoReturn:
        if os.getpid() != owner:  # a forked child ends as it must
            _EXIT(status)
        raise ProcessEnded(f"os._exit({status}) was called")

    plain = _python_handles_interrupts()
    if plain:
        signal.signal(signal.SIGINT, _interrupt)
    os._exit = refuse
    try:
        yield
    except Interrupted:
        raise KeyboardInterrupt from None
    finally:
        os._exit = before
        if plain:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _python_handles_interrupts() -> bool:
    own = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return own and threading.current_thread() is threading.main_thread()


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise Interrupted
