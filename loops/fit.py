"""Training by compile() and fit(), as users of Keras write it."""

import math
import time
from dataclasses import dataclass

import tensorflow as tf

from loops.batches import evaluation_stream, training_stream
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.errors import NotFiniteError
from loops.history import NO_HOOKS, EpochRecord, History, Hooks, Live, Metrics, Position, ReadMetrics
from model import CLASSES


def train(model: tf.keras.Model, data: FashionMnist, config: TrainConfig, hooks: Hooks = NO_HOOKS) -> History:
    """Train `model` in place with Adam and categorical cross-entropy; validate after each epoch."""
    model.compile(
        optimizer=tf.keras.optimizers.Adam(config.learning_rate, epsilon=config.adam_epsilon),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=config.jit_compile,
    )
    recorder = _Recorder(hooks, config.steps_per_epoch(len(data.train)))
    for first_epoch, last_epoch, steps in recorder.calls(config.epochs):
        model.fit(
            # The stream holds all epochs, each in an order of its own; `steps_per_epoch` says where one ends.
            training_stream(data.train, config, recorder.step),
            initial_epoch=first_epoch,
            epochs=last_epoch,
            shuffle=False,  # the stream is shuffled already
            steps_per_epoch=steps,
            validation_data=evaluation_stream(data.test, config.batch_size),
            callbacks=[recorder],
            verbose=0,
        )
    if not recorder.begun:  # all steps were done when it was saved
        hooks.begin(_live(model))
    return History(tuple(recorder.records), model.optimizer)


class _Recorder(tf.keras.callbacks.Callback):
    """Translates fit()'s callbacks into this project's hooks and records."""

    def __init__(self, hooks: Hooks, steps_per_epoch: int) -> None:
        super().__init__()
        self.records = list(hooks.start.epochs)
        self.step = hooks.start.step
        self._hooks = hooks
        self._steps_per_epoch = steps_per_epoch
        self.begun = False
        self._started = self._train_seconds = 0.0

    def calls(self, epochs: int) -> list[tuple[int, int, int]]:
        """Calls of fit() as (first epoch, last epoch, steps an epoch): the rest of one, then whole ones."""
        epoch, done = divmod(self.step, self._steps_per_epoch)
        rest = [(epoch, epoch + 1, self._steps_per_epoch - done)] if done else []
        whole = (epoch + len(rest), epochs, self._steps_per_epoch)
        return rest + ([whole] if whole[0] < epochs else [])

    def on_epoch_begin(self, epoch: int, logs: Metrics | None = None) -> None:
        spent = 0.0
        if not self.begun:  # fit() has reset its metrics by now
            self.begun = True
            self._hooks.begin(_live(self.model))
            if self.step % self._steps_per_epoch == 0:
                self.model.reset_metrics()  # what was restored is the last validation's
            spent = self._hooks.start.seconds
        self._started = time.perf_counter() - spent

    def on_train_batch_end(self, batch: int, logs: Metrics | None = None) -> None:
        self.step += 1
        self._train_seconds = time.perf_counter() - self._started  # validation comes after the last batch
        if logs and not math.isfinite(logs["loss"]):
            raise NotFiniteError(self.step)
        self._hooks.after_step(self.step, _Logs(dict(logs or {})))
        if self.step % self._steps_per_epoch:
            position = Position(self.step, tuple(self.records), self._train_seconds)
            self._started += self._hooks.keep_off_the_clock(position)

    def on_epoch_end(self, epoch: int, logs: Metrics | None = None) -> None:
        record = EpochRecord(epoch, dict(logs or {}), self._train_seconds)
        self.records.append(record)
        self._hooks.on_epoch(record)
        self._hooks.keep(Position(self.step, tuple(self.records)))


@dataclass(frozen=True)
class _Logs:
    """What fit() says after a step: the means of the epoch so far, as floats."""

    logs: Metrics

    def read(self) -> Metrics:
        return self.logs

    def reader_of_now(self) -> ReadMetrics:
        return self.read


def _live(model: tf.keras.Model) -> Live:
    """All variables of a compiled model's training, those made that fit() would make at its first step."""
    model.optimizer.build(model.trainable_variables)
    nothing = tf.zeros((0, CLASSES))
    model.compute_metrics(None, nothing, nothing)
    return Live(model, model.optimizer, tuple(v for metric in model.metrics for v in metric.variables))
