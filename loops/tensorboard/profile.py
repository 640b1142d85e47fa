"""A profile of some steps after the first ones, for TensorBoard's Profile tab (extra `profile`)."""

import contextlib
from pathlib import Path

import tensorflow as tf

from loops.history import OnStep, ReadMetrics

FIRST, LAST = 10, 20  # steps done when it starts and stops: after tracing and warming up


class Profile:
    """Goes between a loop and its step hook; of a loop that runs many steps in a call it records one call.

    Each step is marked, so that the Profile tab knows where one ends.
    """

    def __init__(self, folder: Path, start: int, on_step: OnStep) -> None:
        self._folder, self._start, self._on_step = folder, start, on_step
        self._running = self._done = False
        self._marks = contextlib.ExitStack()

    def on_step(self, step: int, read_metrics: ReadMetrics) -> None:
        """Start or stop the profiler, then pass the step on."""
        done = step - self._start
        self._marks.close()
        if not self._running and not self._done and done >= FIRST:
            tf.profiler.experimental.start(str(self._folder))
            self._running = True
        elif self._running and done >= LAST:
            self.stop()
        self._on_step(step, read_metrics)
        if self._running:
            self._marks.enter_context(tf.profiler.experimental.Trace("step", step_num=step, _r=1))

    def stop(self) -> None:
        """Write what was recorded."""
        self._marks.close()
        if self._running:
            tf.profiler.experimental.stop()
            self._running, self._done = False, True
