"""TensorBoard scalars under Keras's own tags and steps; a point that is there is not written again."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from loops.history import EpochRecord

PARTS = ("train", "validation")
Point = tuple[str, str, int]  # part, tag, step


class EventLog:
    """A run's writers for `train/` and `validation/`; silent, with one hint, where TensorBoard is missing."""

    def __init__(self, folder: Path, learning_rate: float, steps_per_epoch: int) -> None:
        self._learning_rate, self._steps_per_epoch = learning_rate, steps_per_epoch
        self._writers: dict[str, Any] = {}
        self._written: set[Point] = set()
        if not _tensorboard_is_there():
            print(
                "TensorBoard is not installed: no curves are written; pip install tensorboard",
                file=sys.stderr,
            )
            return
        self._written = set(points(folder))
        self._writers = {part: tf.summary.create_file_writer(str(folder / part)) for part in PARTS}

    def log_epoch(self, record: EpochRecord) -> None:
        """Write an epoch's scalars as Keras's TensorBoard callback does.

        Both folders hold epoch_loss and epoch_accuracy over the epoch (from 0); `validation/`
        also holds evaluation_…_vs_iterations over the optimizer's steps.
        """
        iterations = (record.epoch + 1) * self._steps_per_epoch
        for name, value in record.metrics.items():
            if name.startswith("val_"):
                own = name.removeprefix("val_")
                self._write("validation", f"epoch_{own}", value, record.epoch)
                self._write("validation", f"evaluation_{own}_vs_iterations", value, iterations)
            else:
                self._write("train", f"epoch_{name}", value, record.epoch)
        self._write("train", "epoch_learning_rate", self._learning_rate, record.epoch)
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """Write out what is buffered."""
        for writer in self._writers.values():
            writer.close()

    def _write(self, part: str, tag: str, value: float, step: int) -> None:
        if self._writers and (part, tag, step) not in self._written:
            self._written.add((part, tag, step))
            with self._writers[part].as_default(step=step):
                tf.summary.scalar(tag, value)


def points(folder: Path) -> Iterator[Point]:
    """What a run's event files hold; a record that a kill cut short counts as not there."""
    for part in PARTS:
        for path in sorted((folder / part).glob("events.out.tfevents.*")):
            yield from ((part, tag, step) for tag, step in _read(path))


def _read(path: Path) -> Iterator[tuple[str, int]]:
    try:
        for raw in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(raw.numpy())
            yield from ((value.tag, event.step) for value in event.summary.value)
    except tf.errors.DataLossError:
        return


def _tensorboard_is_there() -> bool:
    try:
        import tensorboard  # noqa: F401, PLC0415 (TensorFlow's summaries need it, and do not install it)
    except ImportError:
        return False
    return True
