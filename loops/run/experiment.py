"""One training from settings to saved result: folder, model, loop, checkpoints, evaluation."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import tensorflow as tf

from loops import fit, tape
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.distribute import loop as distributed
from loops.distribute.workers import ALONE, Workers
from loops.errors import Stopped, UserError
from loops.evaluate import Evaluation, evaluate
from loops.fast import loop as fast
from loops.files import CHECKPOINTS
from loops.history import CURVE_EVERY, NO_HOOKS, History, Hooks, Metrics, OnEpoch, OnStep, ignore
from loops.run import checkpoint
from loops.run.checkpoint import Checkpoint
from loops.run.context import Resumptions, Run, Training
from loops.run.environment import describe
from loops.run.failures import TrainingError, explained, go_on, marked_as_failed
from loops.run.folder import RunFolder, create
from loops.run.result import describe_result
from loops.run.resume import is_done
from loops.run.resumption import resumption
from loops.run.saver import Saver
from loops.run.showing import Showing, events_of
from loops.run.signals import StopRequest, stops_of
from model import FashionCNN, new_model


class Train(Protocol):
    """The one signature of all loops."""

    def __call__(
        self, model: tf.keras.Model, data: FashionMnist, config: TrainConfig, hooks: Hooks = NO_HOOKS
    ) -> History:
        """Train `model` in place."""


LOOPS: Mapping[str, Train] = MappingProxyType({"fit": fit.train, "tape": tape.train, "fast": fast.train})


def loop_of(training: Training, workers: Workers, stop: StopRequest) -> Train:
    """The loop of a training; one that has shards is trained by all workers, which obey a signal together."""
    if training.config.shards == 1:
        return LOOPS[training.loop]
    stop.shared = True
    return functools.partial(distributed.train, workers=workers, stops=stops_of(stop))


@dataclass(frozen=True)
class RunOptions:
    """How a training is kept and shown, none of which changes its weights.

    `resume` is the run to go on with, `checkpoint_every` the steps between checkpoints (None: an epoch),
    `curve_every` those between points of the curves by step (None: CURVE_EVERY, or as the run that is gone
    on with has it), `pages_every` the epochs between
    TensorBoard's heavy pages (None: after the last alone; 0: never). `stop` hears of signals; `on_model` gets
    the fresh model before it is trained, `on_scores` what was found, before the last pages are written.
    `workers` share the batches of a training that has shards.
    """

    resume: Path | None = None
    checkpoint_every: int | None = None
    curve_every: int | None = None
    pages_every: int | None = None
    profile: bool = False
    stop: StopRequest | None = None
    on_model: Callable[[FashionCNN], object] = ignore
    on_scores: Callable[[History, Evaluation], object] = ignore
    workers: Workers = ALONE


DEFAULT_OPTIONS = RunOptions()


@dataclass(frozen=True)
class Outcome:
    """A finished training: model, history, test scores, run folder, and the points of its curve by step."""

    model: FashionCNN
    history: History
    evaluation: Evaluation
    folder: Path
    points: Mapping[int, Metrics]


def run_experiment(
    training: Training,
    runs: Path,
    *,
    on_step: OnStep = ignore,
    on_epoch: OnEpoch = ignore,
    options: RunOptions = DEFAULT_OPTIONS,
) -> Outcome:
    """Train a fresh model, or go on with a run, evaluate it, and save everything in a folder of `runs`.

    Raises:
        TrainingError: the loss is NaN or infinite, or the device's memory is not enough.
        UserError: a file cannot be read or written, or the run belongs to another process or training.
        Stopped: a signal asked for the end; the run can be resumed.
    """
    stop = options.stop or StopRequest()
    if stop.number is not None:
        raise Stopped(stop.number, f"stopped before {training.loop} was trained")
    try:
        with contextlib.ExitStack() as stack:
            with _told_to(options.workers) as told:
                folder = RunFolder(options.resume) if options.resume else create(runs, training.settings)
                stack.enter_context(folder)
                run, saver = _prepare(training, folder.path, options, stop)
                told |= {"position": asdict(saver.start), "go_on": go_on(run)}
            outcome = _run(run, saver, folder, on_step, on_epoch, options, stop)
    finally:
        stop.polite = False
    checkpoint.keep_last(outcome.folder / CHECKPOINTS, 1)  # the others are of no use any more
    return outcome


def _run(
    run: Run,
    saver: Saver,
    folder: RunFolder,
    on_step: OnStep,
    on_epoch: OnEpoch,
    options: RunOptions,
    stop: StopRequest,
) -> Outcome:
    with events_of(run) as log:
        showing = Showing(run, log, options.pages_every)
        with marked_as_failed(run, folder):
            hooks = Hooks(on_step=on_step, on_epoch=on_epoch)
            model, history, evaluation = _train(run, hooks, options, saver, showing, stop)
            result = describe_result(run, model, history, evaluation)
            folder.save(result)
        try:
            options.on_scores(history, evaluation)
        finally:  # a reader of the output that has gone must not cost the pages
            showing.result(result, model, evaluation)
    return Outcome(model, history, evaluation, folder.path, showing.curve.points)


@contextlib.contextmanager
def _told_to(workers: Workers) -> Iterator[dict[str, Any]]:
    """What the chief has prepared is told to the others, or why it could not: they wait for it."""
    told: dict[str, Any] = {}
    try:
        yield told
    except UserError as error:
        workers.tell({"refused": str(error)})
        raise
    workers.tell(told)


def _prepare(training: Training, folder: Path, options: RunOptions, stop: StopRequest) -> tuple[Run, Saver]:
    """The run and its saver; refuses what cannot go on and changes nothing."""
    environment = describe(training.device, jit_compile=training.config.jit_compile)
    if training.config.shards > 1:
        environment |= _workers(training, options.workers.size)
    found: Checkpoint | None = None
    resumed: Resumptions = ()
    if options.resume:
        if is_done(folder):
            raise TrainingError(f"{folder}: this run is done; result.json holds its scores.")
        found, resumed = resumption(folder, environment)
    run = Run(training, folder, environment, resumed)
    return run, Saver(run, found, every=options.checkpoint_every, stop=stop)


def _workers(training: Training, count: int) -> dict[str, Any]:
    """What the environment says of several workers: that they add in another order, where that is so."""
    told: dict[str, Any] = {"workers": count}
    return told if training.config.reduce == "ordered" else {**told, "reduced_by": f"{count} workers"}


def _train(
    run: Run, hooks: Hooks, options: RunOptions, saver: Saver, showing: Showing, stop: StopRequest
) -> tuple[FashionCNN, History, Evaluation]:
    """Train from where the saver begins, and evaluate."""
    training = run.training
    model = new_model(training.config.seed)
    options.on_model(model)
    with explained(run), showing.started(model, saver.start, hooks, profile=options.profile) as shown:
        own = replace(
            shown,
            start=saver.start,
            begin=saver.begin,
            on_curve=showing.curve.add,
            curve_every=options.curve_every or showing.curve.spacing() or CURVE_EVERY,
            next_stop=saver.next_stop,
            keep=functools.partial(saver.keep, before_save=showing.secure),
        )
        history = loop_of(training, options.workers, stop)(model, training.data, training.config, own)
        stop.polite = False  # from here on a signal ends the process where it is; all steps are saved
        if stop.asked is not None:
            raise Stopped(stop.asked, f"stopped after the last step; go on with: {run.resume_command}")
        return model, history, evaluate(model, training.data.test)
