"""What does it cost to keep a training: a checkpoint an epoch, and its curves, as shares of the epoch."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from bench.arms import make_arm
from bench.harness import References, fewest, measure
from bench.sweep import TAPE
from loops.batches import training_stream
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.device import Device
from loops.history import CURVE_EVERY, EpochRecord, Hooks, Live, Position
from loops.measure.arms import FunctionArm
from loops.metrics import RunningMetrics
from loops.run import checkpoint
from loops.run.context import Run, Training
from loops.run.environment import describe
from loops.run.showing import events_of
from loops.tensorboard.curves import Curve
from model import CLASSES, new_model

METRICS = {"loss": 0.5, "accuracy": 0.8, "val_loss": 0.5, "val_accuracy": 0.8}
CONFIG = TrainConfig(epochs=10**6)


@pytest.mark.parametrize("what", ["checkpoint", "curves", "curves by step"])
def test_cost_an_epoch(
    benchmark: Any,
    device: Device,
    what: str,
    fashion: FashionMnist,
    references: References,
    pairs: int,
    tmp_path: Path,
) -> None:
    """A save, an epoch's scalars or its points by step, against a step of the tape: an epoch has 200."""
    run = Run(Training("tape", CONFIG, fashion, device), tmp_path, describe(device, jit_compile=False))
    keep = {"checkpoint": _saving, "curves": _epoch_curves, "curves by step": _step_curves}[what](run)
    steps = run.training.steps_per_epoch
    benchmark.group = f"keeping, {device.kind}"
    benchmark.extra_info.update(
        kind="keeping", arm=what, device=device.kind, device_name=device.name, steps_per_epoch=steps
    )
    stream = training_stream(fashion.train, CONFIG)
    step = references.get("tape with input", lambda: make_arm(TAPE, stream))
    measure(benchmark, lambda: FunctionArm(keep), step, pairs=fewest(pairs))  # what is written goes on


def _saving(run: Run) -> Callable[[], object]:
    model, optimizer = new_model(0), tf.keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    live, numbers = Live(model, optimizer, RunningMetrics().variables), itertools.count(1)
    return lambda: checkpoint.save(run.folder, live, Position(next(numbers)), run)


def _epoch_curves(run: Run) -> Callable[[], object]:
    log, numbers = events_of(run), itertools.count()
    return lambda: log.log_epoch(EpochRecord(next(numbers), METRICS, 1.0))


def _step_curves(run: Run) -> Callable[[], object]:
    """As the tape does it: the sums are copied every CURVE_EVERY-th step, then read and written."""
    curve, running, epochs = Curve(events_of(run)), RunningMetrics(), itertools.count()
    steps = run.training.steps_per_epoch
    running.update(tf.constant(0.5), tf.eye(CLASSES), tf.eye(CLASSES))

    def one_epoch() -> None:
        first = next(epochs) * steps
        for step in Hooks(curve_every=CURVE_EVERY).curve_steps(first, first + steps):
            curve.add(step, running.reader_of_now())
        curve.write()

    return one_epoch
