"""A run as TensorBoard shows it: curves while it trains, pages and its row of HParams at the end."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import tensorflow as tf

from loops.errors import NotFiniteError
from loops.evaluate import Evaluation, evaluate
from loops.files import FileError
from loops.history import EpochRecord, Hooks, Position
from loops.run.context import Run
from loops.tensorboard import pages
from loops.tensorboard.curves import Curve
from loops.tensorboard.events import EventLog, tensorboard_is_there
from loops.tensorboard.profile import Profile
from model import FashionCNN


def events_of(run: Run) -> EventLog:
    """The run's writers; not made before it is sure that the run goes on, since they make files."""
    training = run.training
    return EventLog(
        run.folder, training.config.learning_rate, training.steps_per_epoch, len(training.data.train)
    )


class Showing:
    """What one run writes for TensorBoard; nothing where that is missing."""

    def __init__(self, run: Run, log: EventLog, pages_every: int | None) -> None:
        self._run, self._log, self._pages_every = run, log, pages_every
        self.curve = Curve(log)

    @contextlib.contextmanager
    def started(self, model: FashionCNN, start: Position, hooks: Hooks, *, profile: bool) -> Iterator[Hooks]:
        """Write what is known before the first step; `hooks` that show each epoch too, and profile steps."""
        if tensorboard_is_there():
            settings = {**self._run.training.settings, "environment": self._run.environment}
            pages.log_start(self._log, model, settings)
        for record in start.epochs:  # a kill between curve and checkpoint may have left a gap
            self._log.log_epoch(record)

        def on_epoch(record: EpochRecord) -> None:
            self._epoch(record, model)
            hooks.on_epoch(record)

        profiled = Profile(self._run.folder, start.step, hooks.on_step) if profile else None
        try:
            yield replace(hooks, on_epoch=on_epoch, on_step=profiled.on_step if profiled else hooks.on_step)
        finally:
            # Neither a full disk nor a device that failed must hide why the training ended
            with contextlib.suppress(FileError, tf.errors.OpError):
                self.curve.write()
            if profiled:
                profiled.stop()

    def secure(self) -> None:
        """Bring all curves to the disk, since what a checkpoint has behind it is not trained again."""
        self.curve.write()
        self._log.sync()

    def result(self, result: Mapping[str, Any], model: FashionCNN, evaluation: Evaluation) -> None:
        """The run's row among the HParams, and the heavy pages of the last epoch."""
        if tensorboard_is_there():
            config = self._run.training.config
            pages.log_result(self._log, result, config.learning_rate, self._run.training.steps)
            self._log.flush()  # a signal during the pages must not cost the scores
            if self._pages_every != 0:
                self._pages(model, evaluation, config.epochs - 1)

    def _epoch(self, record: EpochRecord, model: FashionCNN) -> None:
        training = self._run.training
        self.curve.write()
        self._log.log_epoch(record)
        if not all(math.isfinite(value) for value in record.metrics.values()):
            raise NotFiniteError((record.epoch + 1) * training.steps_per_epoch)
        every, epoch = self._pages_every, record.epoch + 1
        if every and epoch % every == 0 and epoch < training.config.epochs and tensorboard_is_there():
            self._pages(model, evaluate(model, training.data.test), record.epoch)

    def _pages(self, model: FashionCNN, evaluation: Evaluation, epoch: int) -> None:
        data = self._run.training.data
        pages.log_pages(self._log, model, evaluation, data.train, data.test, epoch)
