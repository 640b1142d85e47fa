"""SIGINT and SIGTERM: the first asks a training to stop at its next step, the second leaves.

A lost terminal (SIGHUP) counts as SIGTERM. Python hears of a signal between two of its own instructions, so
a loop that runs many steps in one call stops after these.
"""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, Self

from loops.distribute.stops import Stops
from loops.errors import Stopped

LEAVE = os._exit  # before user code, which may be run under a guard, can ask for it
HANDLED = (signal.SIGINT, signal.SIGTERM)
SHELL = 128  # a shell's exit code for a signal is this and its number


def exit_code(number: int) -> int:
    """The exit code of a process that a signal stopped: 130 for SIGINT (Ctrl-C), 143 for SIGTERM."""
    return SHELL + number


class StopRequest:
    """Whether a signal has asked for the end; a context that has the handlers installed.

    While `polite` is set, as a training does that looks at `number` after each step, a first
    signal is only noted. At any other time it raises `Stopped` wherever Python is.

    `asked` is the signal that this process has got, `number` the one to obey. They are the same but for one
    of several workers (`shared`): these set `number` after the same step on all of them.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self.number: int | None = None
        self.polite = self.shared = self.silent = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._handle) for number in HANDLED}
        if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # not under nohup
            hang_up = signal.signal(signal.SIGHUP, lambda _, frame: self._handle(signal.SIGTERM, frame))
            self._before[signal.SIGHUP] = hang_up
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked is not None:
            LEAVE(exit_code(number))
        self.asked = number
        if not (self.shared and self.polite):
            self.number = number
        name = signal.Signals(number).name
        if not self.polite:
            raise Stopped(number, f"stopped by {name}")
        if self.silent:  # others say it
            return
        print(
            f"\n{name}: stopping after the steps under way; once more leaves at once",
            file=sys.stderr,
            flush=True,
        )


def stops_of(stop: StopRequest) -> Stops:
    """A worker's part of a stop that all workers make after the same step: SIGINT and SIGTERM are counted."""

    def agreed(asked: Sequence[int]) -> None:
        stop.number = max(number for number, count in zip(HANDLED, asked, strict=True) if count)

    return Stops(lambda: [int(stop.asked == number) for number in HANDLED], agreed)
