"""One training from config to saved result: seed, model, loop, checkpoints, evaluation, run folder."""

import math
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tensorflow as tf

from loops import checkpoint, fast, fit, runs, tape
from loops.checkpoint import PREFIX, Saved
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.device import Device
from loops.environment import describe
from loops.errors import NotFiniteError, Stopped, UserError
from loops.evaluate import Evaluation, evaluate
from loops.history import EpochRecord, History, OnEpoch, OnStep, ignore_epoch, ignore_step
from loops.parity import weights_sha256
from loops.resume import read_result
from loops.runs import Run
from loops.saver import FOLDER, Saver, changes
from loops.signals import StopRequest
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


@dataclass(frozen=True)
class Keeping:
    """How a training is kept: the run to go on with, steps between checkpoints (None: an epoch), signals."""

    resume: Path | None = None
    every: int | None = None
    stop: StopRequest | None = None


DEFAULT_KEEPING = Keeping()


def new_model(seed: int) -> FashionCNN:
    """A fresh model whose initial weights are a function of `seed`."""
    tf.keras.utils.set_random_seed(seed)
    return FashionCNN()


def run_experiment(
    loop: str,
    data: FashionMnist,
    config: TrainConfig,
    device: Device,
    folder: Path,
    on_step: OnStep = ignore_step,
    on_epoch: OnEpoch = ignore_epoch,
    keeping: Keeping = DEFAULT_KEEPING,
) -> Outcome:
    """Train a fresh model by `loop`, or go on with a run, evaluate it, and save everything in `folder`.

    Raises:
        TrainingError: the loss is no finite number, or the device's memory is not enough.
        UserError: a file cannot be read or written, or the run belongs to another process or training.
        Stopped: a signal asked for the end; the run can be resumed.
    """
    stop = keeping.stop or StopRequest()
    if stop.number is not None:
        raise Stopped(stop.number, f"stopped before {loop} was trained")
    steps = config.steps_per_epoch(len(data.train))
    resumed = keeping.resume
    run = Run(resumed, config, steps) if resumed else runs.create(folder, loop, config, steps)
    environment = describe(device, jit_compile=config.jit_compile)
    facts: dict[str, Any] = {"loop": loop, "seed": config.seed}
    try:
        saved = checkpoint.latest(run.folder / FOLDER, _warn) if resumed else None
        if resumed:
            facts["resumed"] = _resumed(run.folder, saved, environment)
        saver = Saver(
            run.folder,
            {"loop": loop, **asdict(config), "images": len(data.train), "optimizer": "adam"},
            environment,
            steps_per_epoch=steps,
            every=keeping.every,
            saved=saved,
            stop=stop,
        )
        model, history, evaluation = _train(loop, data, config, run, on_step, on_epoch, saver)
    except BaseException as error:
        stopped = isinstance(error, Stopped | KeyboardInterrupt)
        _finish_failed(run, {"status": "interrupted" if stopped else "failed", **facts, "reason": str(error)})
        raise
    finally:
        stop.polite = False
    run.finish(_result(facts, data, config, device, environment, model, history, evaluation))
    _keep_last(run.folder / FOLDER)
    return Outcome(model, history, evaluation, run.folder)


def _train(
    loop: str,
    data: FashionMnist,
    config: TrainConfig,
    run: Run,
    on_step: OnStep,
    on_epoch: OnEpoch,
    saver: Saver,
) -> tuple[FashionCNN, History, Evaluation]:
    """Train and evaluate; the errors of a training become messages."""
    steps = config.steps_per_epoch(len(data.train))

    def log_and_report(record: EpochRecord) -> None:
        run.log_epoch(record)
        if not all(math.isfinite(value) for value in record.metrics.values()):
            raise NotFiniteError((record.epoch + 1) * steps)
        on_epoch(record)

    for record in saver.start.epochs:  # a kill between checkpoint and curve may have left a gap
        run.log_epoch(record)
    model = new_model(config.seed)
    try:
        history = LOOPS[loop](model, data, config, on_step, log_and_report, keeper=saver)
        return model, history, evaluate(model, data.test)
    except NotFiniteError as error:
        raise TrainingError(
            f"{loop}, seed {config.seed}: {error} (epoch {(error.step - 1) // steps + 1}). "
            f"Lower --learning-rate ({config.learning_rate:g}); {run.folder} is marked as failed, its last "
            "checkpoint is from before."
        ) from None
    except tf.errors.ResourceExhaustedError:
        raise TrainingError(
            f"{loop}: out of memory at --batch-size {config.batch_size}. Try --batch-size "
            f"{max(1, config.batch_size // 2)}."
        ) from None


def _resumed(folder: Path, saved: Saved | None, environment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The record of all resumptions of a run, this one included; warns of what has changed."""
    if saved is None:
        _warn(f"{folder}: no checkpoint was made yet; the training starts at its first step.")
    changed = changes(saved.environment, environment) if saved else {}
    if changed:
        what = "; ".join(f"{key} was {then}, is {now}" for key, (then, now) in changed.items())
        _warn(
            f"the environment has changed since the checkpoint: {what}. Bit-identical is no longer claimed."
        )
    before = read_result(folder).get("resumed", [])
    return [*before, {"step": saved.position.step if saved else 0, "changed": changed}]


def _finish_failed(run: Run, result: Mapping[str, Any]) -> None:
    """Mark a run as failed; where even that cannot be written, the failure itself must still be heard."""
    try:
        run.finish(result)
    except UserError as error:
        _warn(str(error))


def _keep_last(folder: Path) -> None:
    """Of a finished run's checkpoints, only the last is of use."""
    for old in sorted(folder.glob(f"{PREFIX}*"))[:-1]:
        shutil.rmtree(old, ignore_errors=True)


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


def _result(
    facts: Mapping[str, Any],
    data: FashionMnist,
    config: TrainConfig,
    device: Device,
    environment: Mapping[str, Any],
    model: FashionCNN,
    history: History,
    evaluation: Evaluation,
) -> dict[str, Any]:
    return {
        "status": "done",
        **facts,
        "device": device.kind,
        "device_name": device.name,
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "params": model.count_params(),
        "train_seconds": history.train_seconds,
        "images_per_second": config.epochs * len(data.train) / history.train_seconds,
        **_scores(evaluation),
        "weights_sha256": weights_sha256(model),
        "bit_identical_claimed": not any(each["changed"] for each in facts.get("resumed", [])),
        "history": [asdict(record) for record in history.epochs],
        "environment": environment,
    }


def _scores(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "test_loss": evaluation.loss,
        "test_accuracy": evaluation.accuracy,
        "f1_micro": evaluation.f1_micro,
        "f1_macro": evaluation.f1_macro,
        "confusion": evaluation.confusion.tolist(),
    }
