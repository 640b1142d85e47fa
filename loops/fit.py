"""Training by compile() and fit(), as users of Keras write it."""

import time

import tensorflow as tf

from loops.batches import evaluation_stream, training_stream
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.history import EpochRecord, History, Metrics, OnEpoch, OnStep, ignore_epoch, ignore_step


def train(
    model: tf.keras.Model,
    data: FashionMnist,
    config: TrainConfig,
    on_step: OnStep = ignore_step,
    on_epoch: OnEpoch = ignore_epoch,
) -> History:
    """Train `model` in place with Adam and categorical cross-entropy; validate after each epoch."""
    model.compile(
        optimizer=tf.keras.optimizers.Adam(config.learning_rate, epsilon=config.adam_epsilon),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=config.jit_compile,
    )
    recorder = _Recorder(on_step, on_epoch)
    model.fit(
        training_stream(data.train, config),
        epochs=config.epochs,
        # The stream holds all epochs, each in an order of its own; this says where one ends.
        shuffle=False,  # the stream is shuffled already
        steps_per_epoch=config.steps_per_epoch(len(data.train)),
        validation_data=evaluation_stream(data.test, config.batch_size),
        callbacks=[recorder],
        verbose=0,
    )
    return History(tuple(recorder.records), model.optimizer)


class _Recorder(tf.keras.callbacks.Callback):
    """Translates fit()'s callbacks into this project's hooks and records."""

    def __init__(self, on_step: OnStep, on_epoch: OnEpoch) -> None:
        super().__init__()
        self.records: list[EpochRecord] = []
        self._on_step, self._on_epoch = on_step, on_epoch
        self._steps = 0
        self._started = self._train_seconds = 0.0

    def on_epoch_begin(self, epoch: int, logs: Metrics | None = None) -> None:
        self._started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Metrics | None = None) -> None:
        self._steps += 1
        self._train_seconds = time.perf_counter() - self._started  # validation comes after the last batch
        self._on_step(self._steps, lambda: dict(logs or {}))

    def on_epoch_end(self, epoch: int, logs: Metrics | None = None) -> None:
        record = EpochRecord(epoch, dict(logs or {}), self._train_seconds)
        self.records.append(record)
        self._on_epoch(record)
