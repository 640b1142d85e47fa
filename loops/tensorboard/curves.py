"""Curves by step: the loss and accuracy of training every few steps, without making a step wait."""

import time
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from loops.history import Metrics, ReadMetrics
from loops.tensorboard.events import EventLog, tensorboard_is_there, writing

PART = "train"
PREFIX = "batch_"  # Keras's callback writes these tags where its update_freq is a number of steps
WRITE_SECONDS = 2.0  # how long a point may wait to be written while the training goes on


class Curve:
    """The points of one run; `points` are those of this process, by global step."""

    def __init__(self, log: EventLog) -> None:
        self.points: dict[int, Metrics] = {}
        self._log = log
        self._unread: list[tuple[int, ReadMetrics]] = []
        self._written_at = time.monotonic()

    def spacing(self) -> int | None:
        """Steps between the points that an earlier process of this run wrote; None where it wrote none."""
        return min(self._log.steps(PART, f"{PREFIX}loss"), default=None)

    def add(self, step: int, read: ReadMetrics) -> None:
        """Take a point, to be read later: the means of the epoch so far after global step `step`."""
        if time.monotonic() - self._written_at > WRITE_SECONDS:
            self.write()  # before the new point, which the device may not have computed yet
        self._unread.append((step, read))

    def write(self) -> None:
        """Read and write all points that wait, and bring them to the disk."""
        unread, self._unread = self._unread, []
        for step, read in unread:
            self.points[step] = read()
            self._log.scalars(PART, {f"{PREFIX}{name}": v for name, v in self.points[step].items()}, step)
        self._log.flush()
        self._written_at = time.monotonic()


def write_difference(
    folder: Path, by_epoch: tuple[Mapping[int, Metrics], ...], by_step: tuple[Mapping[int, Metrics], ...]
) -> None:
    """First − second for each epoch's metrics and each step's, as a run of its own in `folder`."""
    if not tensorboard_is_there():
        return
    with writing(folder), tf.summary.create_file_writer(str(folder / "difference")).as_default():
        for (first, second), prefix in ((by_epoch, ""), (by_step, PREFIX)):
            for step in sorted(first.keys() & second.keys()):
                for name, value in first[step].items():
                    gap = value - second[step][name]
                    tf.summary.scalar(f"difference_{prefix}{name}", gap, step=step)
