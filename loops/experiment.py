"""One training from config to saved result: seed, model, loop, evaluation, run folder."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tensorflow as tf

from loops import fast, fit, tape
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.device import Device
from loops.environment import describe
from loops.errors import UserError
from loops.evaluate import Evaluation, evaluate
from loops.history import EpochRecord, History, OnEpoch, OnStep, ignore_epoch, ignore_step
from loops.parity import weights_sha256
from loops.runs import Run
from model import FashionCNN


class TrainingError(UserError):
    """A training that cannot go on."""


Train = Callable[..., History]
LOOPS: Mapping[str, Train] = MappingProxyType({"fit": fit.train, "tape": tape.train, "fast": fast.train})


@dataclass(frozen=True)
class Outcome:
    """A finished training: the model as trained, its history, its test scores, its run folder."""

    model: FashionCNN
    history: History
    evaluation: Evaluation
    folder: Path


def new_model(seed: int) -> FashionCNN:
    """A fresh model whose initial weights are a function of `seed`."""
    tf.keras.utils.set_random_seed(seed)
    return FashionCNN()


def run_experiment(
    loop: str,
    data: FashionMnist,
    config: TrainConfig,
    device: Device,
    runs: Path,
    on_step: OnStep = ignore_step,
    on_epoch: OnEpoch = ignore_epoch,
) -> Outcome:
    """Train a fresh model by `loop`, evaluate it on the test images, save everything in `runs`."""
    environment = describe(device, jit_compile=config.jit_compile)
    run = Run(runs, loop, config, config.steps_per_epoch(len(data.train)))

    def log_and_report(record: EpochRecord) -> None:
        run.log_epoch(record)
        if not all(math.isfinite(value) for value in record.metrics.values()):
            raise TrainingError(
                f"{loop}, seed {config.seed}: the loss is no longer finite in epoch {record.epoch + 1}. "
                f"Lower --learning-rate ({config.learning_rate:g}); {run.folder} is marked as failed."
            )
        on_epoch(record)

    model = new_model(config.seed)
    try:
        history = LOOPS[loop](model, data, config, on_step, log_and_report)
        evaluation = evaluate(model, data.test)
    except BaseException as error:
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        run.finish({"status": status, "loop": loop, "seed": config.seed, "reason": str(error)})
        raise
    run.finish(
        {
            "status": "done",
            "loop": loop,
            "device": device.kind,
            "device_name": device.name,
            "seed": config.seed,
            "epochs": config.epochs,
            "batch_size": config.batch_size,
            "params": model.count_params(),
            "train_seconds": history.train_seconds,
            "images_per_second": config.epochs * len(data.train) / history.train_seconds,
            **_scores(evaluation),
            "weights_sha256": weights_sha256(model),
            "history": [asdict(record) for record in history.epochs],
            "environment": environment,
        }
    )
    return Outcome(model, history, evaluation, run.folder)


def _scores(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "test_loss": evaluation.loss,
        "test_accuracy": evaluation.accuracy,
        "f1_micro": evaluation.f1_micro,
        "f1_macro": evaluation.f1_macro,
        "confusion": evaluation.confusion.tolist(),
    }
