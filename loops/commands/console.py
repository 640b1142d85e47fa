"""What a run prints: a progress bar an epoch, the scores, the confusion matrix."""

import sys
import time
from typing import Self

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from loops.config import TrainConfig
from loops.data import CLASS_NAMES
from loops.evaluate import Evaluation
from loops.history import EpochRecord, History, Hooks, Metrics, ReadMetrics

REFRESH_SECONDS = 0.25  # reading the metrics waits for the device, so not at every step


class EpochBars:
    """A progress bar for each epoch, fed by a loop's two hooks."""

    def __init__(self, config: TrainConfig, steps_per_epoch: int) -> None:
        self._config = config
        self._steps_per_epoch = steps_per_epoch
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._pace = ""
        self._first_step_at = self._shown_at = 0.0
        self._first_done = 0
        self._since = time.monotonic()  # an epoch's clock starts before its first call, which may compile

    def on_step(self, step: int, read_metrics: ReadMetrics) -> None:
        """Advance the bar; `step` counts from 1 over the whole training."""
        epoch, done = divmod(step - 1, self._steps_per_epoch)
        now = time.perf_counter()
        if self._progress is None:
            self._open(epoch)
            self._first_step_at, self._first_done = now, done
        elif done + 1 < self._steps_per_epoch and now - self._shown_at < REFRESH_SECONDS:
            return
        self._shown_at = now
        # The first call traces and compiles; the mean is that of the steps after it.
        paced = done - self._first_done
        self._pace = f"{1000 * (now - self._first_step_at) / paced:.1f} ms/step" if paced else ""
        self._show(done + 1, f"{format_metrics(read_metrics())}  {self._pace}")

    def on_epoch(self, record: EpochRecord) -> None:
        """Close the bar with the epoch's final metrics, validation included."""
        if self._progress is not None:
            self._show(self._steps_per_epoch, f"{format_metrics(record.metrics)}  {self._pace}")
            self.close()
        self._since = time.monotonic()

    @property
    def hooks(self) -> Hooks:
        """What a loop calls."""
        return Hooks(on_step=self.on_step, on_epoch=self.on_epoch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the terminal back, wherever the epoch was left."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _open(self, epoch: int) -> None:
        self._progress = Progress(
            TextColumn(f"epoch {epoch + 1}/{self._config.epochs}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            TimeElapsedColumn(),
            # A pipe has no width of its own; without one the metrics would be cut off.
            console=Console(highlight=False, width=None if sys.stdout.isatty() else 130),
            auto_refresh=False,  # a refreshing thread would take time from the steps
            get_time=time.monotonic,
        )
        self._task = self._progress.add_task("", total=self._steps_per_epoch, text="")
        self._progress.tasks[0].start_time = self._since
        self._progress.start()

    def _show(self, done: int, text: str) -> None:
        assert self._progress is not None
        self._progress.update(self._task, completed=done, text=text, refresh=True)


def format_metrics(metrics: Metrics) -> str:
    """Metrics in one order for both loops: loss, accuracy, then those of validation."""
    names = sorted(metrics, key=lambda name: (name.startswith("val_"), name.endswith("accuracy")))
    return "  ".join(f"{name} {metrics[name]:.4f}" for name in names)


def format_scores(history: History, evaluation: Evaluation) -> str:
    """Training time and final scores, as the blog post prints them."""
    return "\n".join(
        [
            f"total training time  {history.train_seconds:.2f} s",
            f"test accuracy        {evaluation.accuracy:.2%}",
            f"test loss            {evaluation.loss:.4f}",
            f"F1 micro             {evaluation.f1_micro:.4f}",
            f"F1 macro             {evaluation.f1_macro:.4f}",
        ]
    )


def format_confusion(confusion: npt.NDArray[np.int64]) -> str:
    """The confusion matrix with class names: a row a true class, a column a guessed one."""
    header = "true \\ guessed".ljust(15) + "".join(f"{index:>6}" for index in range(len(CLASS_NAMES)))
    rows = [
        f"{index} {name:<13}" + "".join(f"{count:>6}" for count in counts)
        for index, (name, counts) in enumerate(zip(CLASS_NAMES, confusion, strict=True))
    ]
    return "\n".join([header, *rows])
