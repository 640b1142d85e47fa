"""What a run writes for TensorBoard; a point that is there, as after a resume, is not written again."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import tensorflow as tf

from loops.files import FileError, sync
from loops.history import EpochRecord

ROOT = ""  # the run's own folder: what Keras's callback does not write
PARTS = ("train", "validation", ROOT)
Point = tuple[str, str, int]  # part, tag, step


class EventLog:
    """A run's writers, one a part; silent, with one hint, where TensorBoard is missing."""

    def __init__(self, folder: Path, learning_rate: float, steps_per_epoch: int, images: int) -> None:
        self._folder = folder
        self._learning_rate, self._steps_per_epoch, self._images = learning_rate, steps_per_epoch, images
        self._writers: dict[str, Any] = {}
        self._written: set[Point] = set()
        if not tensorboard_is_there():
            print(
                "TensorBoard is not installed: no curves are written; pip install tensorboard",
                file=sys.stderr,
            )
            return
        self._written = set(points(folder))
        with writing(folder):
            self._writers = {part: tf.summary.create_file_writer(str(folder / part)) for part in PARTS}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Write out what is buffered, as far as there is room: nothing rests on it any more."""
        with contextlib.suppress(FileError), writing(self._folder):
            for writer in self._writers.values():
                writer.close()

    @property
    def name(self) -> str:
        """The run's name."""
        return self._folder.name

    def steps(self, part: str, tag: str) -> list[int]:
        """The steps of the points of one curve that are written."""
        return [step for own_part, own_tag, step in self._written if (own_part, own_tag) == (part, tag)]

    def log_epoch(self, record: EpochRecord) -> None:
        """Write an epoch's scalars as Keras's TensorBoard callback does, and its pace.

        `train/` and `validation/` hold epoch_loss and epoch_accuracy over the epoch (from 0);
        `validation/` also holds evaluation_…_vs_iterations over the optimizer's steps; the run's own
        folder ms_per_step and images_per_second.
        """
        iterations = (record.epoch + 1) * self._steps_per_epoch
        for name, value in record.metrics.items():
            if name.startswith("val_"):
                own = name.removeprefix("val_")
                self.scalar("validation", f"epoch_{own}", value, record.epoch)
                self.scalar("validation", f"evaluation_{own}_vs_iterations", value, iterations)
            else:
                self.scalar("train", f"epoch_{name}", value, record.epoch)
        self.scalar("train", "epoch_learning_rate", self._learning_rate, record.epoch)
        if record.train_seconds:
            ms = 1000 * record.train_seconds / self._steps_per_epoch
            self.scalar(ROOT, "ms_per_step", ms, record.epoch)
            self.scalar(ROOT, "images_per_second", self._images / record.train_seconds, record.epoch)
        self.flush()

    def scalar(self, part: str, tag: str, value: float, step: int) -> None:
        """Write one point of a curve."""
        self.once(part, tag, step, lambda: tf.summary.scalar(tag, value))

    def scalars(self, part: str, values: Mapping[str, float], step: int) -> None:
        """Write one point of several curves as one event, a quarter of the time of an event each."""
        fresh = {tag: value for tag, value in values.items() if (part, tag, step) not in self._written}
        if not self._writers or not fresh:
            return
        from tensorboard.plugins.scalar import summary_v2  # noqa: PLC0415 (needs TensorBoard)

        self._written.update((part, tag, step) for tag in fresh)
        first, *others = (summary_v2.scalar_pb(tag, value) for tag, value in fresh.items())
        for other in others:
            first.MergeFrom(other)
        with writing(self._folder), self._writers[part].as_default(step=step):
            tf.summary.experimental.write_raw_pb(first.SerializeToString(), step)

    def raw(self, part: str, tag: str, proto: Any, step: int = 0) -> None:
        """Write a plugin's own summary."""
        self.once(
            part, tag, step, lambda: tf.summary.experimental.write_raw_pb(proto.SerializeToString(), step)
        )

    def once(self, part: str, tag: str, step: int, write: Callable[[], object]) -> None:
        """Call `write` with the part's writer and the step in force, unless the point is there already."""
        if self._writers and (part, tag, step) not in self._written:
            self._written.add((part, tag, step))
            with writing(self._folder), self._writers[part].as_default(step=step):
                write()

    def flush(self) -> None:
        """Hand what was written to the system, from which a reader sees it."""
        with writing(self._folder):
            for writer in self._writers.values():
                writer.flush()

    def sync(self) -> None:
        """Bring what was flushed to the disk, so that not even a power failure loses it."""
        try:
            for path in event_files(self._folder):
                sync(path)
        except OSError as error:
            raise FileError(
                f"{self._folder}: TensorBoard's events cannot be written ({error.strerror}). Make room."
            ) from None


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns what TensorFlow raises when it cannot write into a FileError."""
    try:
        yield
    except tf.errors.OpError as error:
        reason = str(error).splitlines()[0]
        raise FileError(f"{folder}: TensorBoard's events cannot be written ({reason}). Make room.") from None


def points(folder: Path) -> Iterator[Point]:
    """What a run's event files hold; a record that a kill cut short counts as not there."""
    for part in PARTS:
        for path in event_files(folder, part):
            yield from ((part, tag, step) for tag, step in _read(path))


def event_files(folder: Path, *parts: str) -> list[Path]:
    """A run's event files, of some parts or of all."""
    return [path for part in parts or PARTS for path in sorted((folder / part).glob("events.out.tfevents.*"))]


def _read(path: Path) -> Iterator[tuple[str, int]]:
    try:
        for raw in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(raw.numpy())
            if event.HasField("graph_def"):
                yield "graph", event.step
            yield from ((value.tag, event.step) for value in event.summary.value)
    except tf.errors.DataLossError:
        return


def tensorboard_is_there() -> bool:
    """Whether the package is installed: TensorFlow's summaries need it, and do not bring it."""
    try:
        import tensorboard  # noqa: F401, PLC0415
    except ImportError:
        return False
    return True
