"""What does it cost to keep a training: a checkpoint an epoch, and its curves, as shares of the epoch."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from bench.arms import FunctionArm, Variant, make_arm
from bench.harness import References, fewer, measure
from loops.batches import training_stream
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.device import Device
from loops.history import EpochRecord, Live, Position
from loops.run import checkpoint
from loops.run.environment import describe
from loops.tape import RunningMetrics
from loops.tensorboard.events import EventLog
from model import new_model

METRICS = {"loss": 0.5, "accuracy": 0.8, "val_loss": 0.5, "val_accuracy": 0.8}
CONFIG = TrainConfig(epochs=10**6)


@pytest.mark.parametrize("what", ["checkpoint", "curves"])
def test_cost_an_epoch(
    benchmark: Any,
    device: Device,
    what: str,
    fashion: FashionMnist,
    references: References,
    pairs: int,
    tmp_path: Path,
) -> None:
    """One save, or one epoch's scalars, against a step of the tape; an epoch has 200 of these."""
    keep = {"checkpoint": _saving, "curves": _logging}[what](tmp_path, device)
    steps = CONFIG.steps_per_epoch(len(fashion.train))
    benchmark.group = f"keeping, {device.kind}"
    benchmark.extra_info.update(
        kind="keeping", arm=what, device=device.kind, device_name=device.name, steps_per_epoch=steps
    )
    stream = training_stream(fashion.train, CONFIG)
    step = references.get("tape with input", lambda: make_arm(Variant("tape"), stream))
    measure(benchmark, FunctionArm(keep), step, pairs=fewer(pairs))


def _saving(folder: Path, device: Device) -> Callable[[], object]:
    model, optimizer = new_model(0), tf.keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    live, environment = (
        Live(model, optimizer, RunningMetrics().variables),
        describe(device, jit_compile=False),
    )
    numbers = itertools.count(1)
    return lambda: checkpoint.save(folder, live, Position(next(numbers)), {"loop": "tape"}, environment)


def _logging(folder: Path, device: Device) -> Callable[[], object]:
    log, numbers = EventLog(folder, CONFIG.learning_rate, 200, 60_000), itertools.count()
    return lambda: log.log_epoch(EpochRecord(next(numbers), METRICS, 1.0))
