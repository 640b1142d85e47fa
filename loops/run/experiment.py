"""One training from config to saved result: seed, model, loop, checkpoints, evaluation, run folder."""

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tensorflow as tf

from loops import fit, tape
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.device import Device
from loops.errors import NotFiniteError, Stopped, UserError
from loops.evaluate import Evaluation, evaluate
from loops.fast import loop as fast
from loops.history import EpochRecord, History, OnEpoch, OnStep, ignore_epoch, ignore_step
from loops.run import checkpoint
from loops.run.checkpoint import Saved
from loops.run.environment import changes, describe, worded
from loops.run.folder import Run, create
from loops.run.result import describe_result
from loops.run.resume import command, is_done
from loops.run.saver import FOLDER, Saver
from loops.run.signals import StopRequest
from loops.tensorboard import pages
from loops.tensorboard.events import tensorboard_is_there
from loops.tensorboard.profile import Profile
from model import FashionCNN, new_model


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
    run = Run(resumed) if resumed else create(folder, loop, config)
    try:
        environment = describe(device, jit_compile=config.jit_compile)
        facts, saver = _prepare(run, loop, config, images, environment, keeping, stop)
        run.open_events(config, images)
        try:
            training = _Training(loop, data, config, run, keeping, environment)
            model, history, evaluation = training.run_to_the_end(on_step, on_epoch, saver, stop)
            result = describe_result(facts, data, config, device, environment, model, history, evaluation)
            run.save(result)
        except BaseException as error:
            status = "failed" if isinstance(error, Exception) else "interrupted"
            _save_failed(run, {"status": status, **facts, "reason": str(error)})
            raise
        finally:
            stop.polite = False
        training.show_result(result, model, evaluation)
    finally:
        run.close()
    checkpoint.keep_last(run.folder / FOLDER, 1)  # the others are of no use any more
    return Outcome(model, history, evaluation, run.folder)


def _prepare(
    run: Run,
    loop: str,
    config: TrainConfig,
    images: int,
    environment: Mapping[str, Any],
    keeping: Keeping,
    stop: StopRequest,
) -> tuple[dict[str, Any], Saver]:
    """What is known of a run before it trains, and its saver; refuses what cannot go on, changing nothing."""
    facts: dict[str, Any] = {"loop": loop, "seed": config.seed}
    saved = None
    if keeping.resume:
        if is_done(run.folder):
            raise TrainingError(f"{run.folder}: this run is done; result.json holds its scores.")
        saved = checkpoint.latest(run.folder / FOLDER, _warn)
        facts["resumed"] = _resumed(run.folder, saved, environment)
    saver = Saver(
        run.folder,
        {"loop": loop, **asdict(config), "images": images, "optimizer": "adam"},
        environment,
        steps_per_epoch=config.steps_per_epoch(images),
        epochs=config.epochs,
        every=keeping.every,
        saved=saved,
        stop=stop,
        resumed=facts.get("resumed", ()),
    )
    return facts, saver


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
        self, on_step: OnStep, on_epoch: OnEpoch, saver: Saver, stop: StopRequest
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
            stop.polite = False  # from here on nobody looks: a signal ends it where it is, all steps saved
            if stop.number is not None:
                raise Stopped(
                    stop.number, f"stopped after the last step; go on with: {command(folder, loop)}"
                )
            return model, history, evaluate(model, self._data.test)
        except NotFiniteError as error:
            raise TrainingError(
                f"{loop}, seed {config.seed}: {error} (epoch {(error.step - 1) // self._steps + 1}). "
                f"Lower --learning-rate ({config.learning_rate:g}); {folder} is marked as failed, its last "
                "checkpoint is from before."
            ) from None
        except (tf.errors.OpError, MemoryError) as error:
            if not _memory_is_short(error):
                raise
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


def _resumed(folder: Path, saved: Saved | None, environment: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The record of all resumptions of a run, this one included; warns of what has changed."""
    if saved is None:
        _warn(f"{folder}: no checkpoint was made yet; the training starts at its first step.")
    else:
        print(f"going on after step {saved.position.step}", file=sys.stderr)
    changed = changes(saved.environment, environment) if saved else {}
    if changed:
        _warn(
            f"the environment has changed since the checkpoint: {worded(changed)}. "
            "Bit-identical is no longer claimed."
        )
    before = list(saved.resumed) if saved else []
    return [*before, {"step": saved.position.step if saved else 0, "changed": changed}]


def _save_failed(run: Run, result: Mapping[str, Any]) -> None:
    """Mark a run as failed; where even that cannot be written, the failure itself must still be heard."""
    try:
        run.save(result)
    except UserError as error:
        _warn(str(error))


def _memory_is_short(error: Exception) -> bool:
    """TensorFlow says so by class, but of a GPU that is full already only by text."""
    words = ("out of memory", "OOM", "Dst tensor is not initialized")
    short = isinstance(error, tf.errors.ResourceExhaustedError | MemoryError)
    return short or any(word in str(error) for word in words)


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)
