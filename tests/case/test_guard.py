"""While user code runs the process cannot be left, and Ctrl-C is no error of the code."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from loops.case.errors import ProcessEnded
from loops.case.guard import guarded
from loops.case.loading import Case, CaseError
from loops.errors import Stopped
from loops.run.signals import StopRequest
from tests.case.sources import GOOD, write


@pytest.fixture
def python_handles_interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_forked_child_ends_as_it_must() -> None:
    with guarded():
        child = os.fork()
        if not child:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        with pytest.raises(ProcessEnded):
            os._exit(7)


@pytest.mark.usefixtures("python_handles_interrupts")
def test_ctrl_c_passes_as_an_interrupt(tmp_path: Path) -> None:
    case = Case(write(tmp_path, GOOD))
    with pytest.raises(KeyboardInterrupt):
        case.run("step", lambda: signal.raise_signal(signal.SIGINT))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(CaseError, match="step raised KeyboardInterrupt"):
        case.run("step", interrupted)


def interrupted() -> None:
    raise KeyboardInterrupt


def test_ctrl_c_of_the_command_line_passes_as_a_stop(tmp_path: Path) -> None:
    case = Case(write(tmp_path, GOOD))
    with StopRequest(), pytest.raises(Stopped):
        case.run("step", lambda: signal.raise_signal(signal.SIGINT))
