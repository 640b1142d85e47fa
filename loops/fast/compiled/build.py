"""Compiles the step in a process of its own, while this one starts TensorFlow.

Compiling is Python's work, as TensorFlow's import is, so threads would take turns at it.
"""

import contextlib
import subprocess
import sys

import numpy as np

from loops.fast.compiled import layout, step
from loops.fast.compiled.layout import zeros
from loops.fast.compiled.packing import new_plan
from loops.fast.compiled.pointers import pointers

COMMAND = (sys.executable, "-m", "loops.fast.compiled.build")
_running: list[subprocess.Popen[bytes]] = []


def begin() -> bool:
    """Start compiling, unless it was done before; whether there is something to wait for."""
    if step.is_compiled():
        return False
    with contextlib.suppress(OSError):  # no process to be had: the first call compiles
        _running.append(subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    return bool(_running)


def finish() -> None:
    """Wait for what `begin` has started. What failed there is compiled by the first call, which says why."""
    while _running:
        _running.pop().wait()


def main() -> None:
    """Call the step with no step to do, which compiles it and keeps it on the disk."""
    own = layout.new_scratch(1)
    order, hits, counters = (zeros(size, np.int64) for size in (1, 1, step.COUNTERS))
    shared = layout.Shared(zeros(1), zeros(1), zeros(1), zeros(1, np.float64), hits, counters)
    examples = layout.Examples(zeros(1, np.uint8), zeros(1, np.uint8), order, np.float32(1))
    adam = layout.Adam(zeros(1), *[np.float32(0)] * 3)
    plan = new_plan(1, threads=1, steps=0)
    arrays = (examples, layout.new_parameters(), shared, own, adam)
    step.compiled()(plan, *(pointers(each) for each in arrays))


if __name__ == "__main__":
    main()
