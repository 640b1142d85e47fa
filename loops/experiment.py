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

from loops import checkpoint, fast, fit, pages, runs, tape
from loops.checkpoint import PREFIX, Saved
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.device import Device
from loops.environment import describe
from loops.errors import NotFiniteError, Stopped, UserError
from loops.evaluate import Evaluation, evaluate
from loops.events import tensorboard_is_there
from loops.history import EpochRecord, History, OnEpoch, OnStep, ignore_epoch, ignore_step
from loops.parity import weights_sha256
from loops.profile import Profile
from loops.resume import is_done, read_result
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
    """How a training is kept and shown.

    `resume` is the run to go on with, `every` the steps between checkpoints (None: an epoch), `stop` hears
    of signals, `pages_every` are the epochs between TensorBoard's heavy pages (None: after the last alone).
    """

    resume: Path | None = None
    every: int | None = None
    stop: StopRequest | None = None
    pages_every: int | None = None
    profile: bool = False


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
    images, resumed = len(data.train), keeping.resume
    run = Run(resumed, config, images) if resumed else runs.create(folder, loop, config, images)
    environment = describe(device, jit_compile=config.jit_compile)
    facts: dict[str, Any] = {"loop": loop, "seed": config.seed}
    try:
        saved = checkpoint.latest(run.folder / FOLDER, _warn) if resumed else None
        if resumed:
            facts["resumed"] = _resumed(run.folder, saved, environment)
        saver = Saver(
            run.folder,
            {"loop": loop, **asdict(config), "images": images, "optimizer": "adam"},
            environment,
            steps_per_epoch=config.steps_per_epoch(images),
            every=keeping.every,
            saved=saved,
            stop=stop,
        )
        training = _Training(loop, data, config, run, keeping, environment)
        model, history, evaluation = training.run_to_the_end(on_step, on_epoch, saver)
        result = _result(facts, data, config, device, environment, model, history, evaluation)
        run.save(result)
        training.show_result(result, model, evaluation)
    except BaseException as error:
        if not is_done(run.folder):
            stopped = isinstance(error, Stopped | KeyboardInterrupt)
            status = "interrupted" if stopped else "failed"
            _save_failed(run, {"status": status, **facts, "reason": str(error)})
        raise
    finally:
        stop.polite = False
        run.close()
    _keep_last(run.folder / FOLDER)
    return Outcome(model, history, evaluation, run.folder)


class _Training:
    """One training with its TensorBoard events; its errors become messages."""

    def __init__(
        self,
        loop: str,
        data: FashionMnist,
        config: TrainConfig,
        run: Run,
        keeping: Keeping,
        environment: Mapping[str, Any],
    ) -> None:
        self._loop, self._data, self._config, self._run = loop, data, config, run
        self._keeping, self._environment = keeping, environment
        self._steps = config.steps_per_epoch(len(data.train))

    def run_to_the_end(
        self, on_step: OnStep, on_epoch: OnEpoch, saver: Saver
    ) -> tuple[FashionCNN, History, Evaluation]:
        """Train a fresh model, or from where the saver begins, and evaluate it."""
        loop, config, folder = self._loop, self._config, self._run.folder
        model = new_model(config.seed)
        self._show_start(model, saver)
        profile = Profile(folder, saver.start.step, on_step) if self._keeping.profile else None

        def log_and_report(record: EpochRecord) -> None:
            self._show_epoch(record, model)
            on_epoch(record)

        try:
            on_step = profile.on_step if profile else on_step
            history = LOOPS[loop](model, self._data, config, on_step, log_and_report, keeper=saver)
            return model, history, evaluate(model, self._data.test)
        except NotFiniteError as error:
            raise TrainingError(
                f"{loop}, seed {config.seed}: {error} (epoch {(error.step - 1) // self._steps + 1}). "
                f"Lower --learning-rate ({config.learning_rate:g}); {folder} is marked as failed, its last "
                "checkpoint is from before."
            ) from None
        except tf.errors.ResourceExhaustedError:
            raise TrainingError(
                f"{loop}: out of memory at --batch-size {config.batch_size}. Try --batch-size "
                f"{max(1, config.batch_size // 2)}."
            ) from None
        finally:
            if profile:
                profile.stop()

    def show_result(self, result: Mapping[str, Any], model: FashionCNN, evaluation: Evaluation) -> None:
        """The heavy pages of the last epoch, and the run's row among the HParams."""
        if tensorboard_is_there():
            self._show_pages(model, evaluation, self._config.epochs - 1)
            config = self._config
            pages.log_result(self._run.events, result, config.learning_rate, config.epochs * self._steps)

    def _show_start(self, model: FashionCNN, saver: Saver) -> None:
        if tensorboard_is_there():
            settings = {"loop": self._loop, **asdict(self._config), "environment": self._environment}
            pages.log_start(self._run.events, model, settings)
        for record in saver.start.epochs:  # a kill between curve and checkpoint may have left a gap
            self._run.events.log_epoch(record)

    def _show_epoch(self, record: EpochRecord, model: FashionCNN) -> None:
        self._run.events.log_epoch(record)
        if not all(math.isfinite(value) for value in record.metrics.values()):
            raise NotFiniteError((record.epoch + 1) * self._steps)
        every, epoch = self._keeping.pages_every, record.epoch + 1
        if every and epoch % every == 0 and epoch < self._config.epochs and tensorboard_is_there():
            self._show_pages(model, evaluate(model, self._data.test), record.epoch)

    def _show_pages(self, model: FashionCNN, evaluation: Evaluation, epoch: int) -> None:
        pages.log_pages(self._run.events, model, evaluation, self._data.train, self._data.test, epoch)


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


def _save_failed(run: Run, result: Mapping[str, Any]) -> None:
    """Mark a run as failed; where even that cannot be written, the failure itself must still be heard."""
    try:
        run.save(result)
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
