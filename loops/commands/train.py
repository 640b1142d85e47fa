"""`fit`, `tape` and `both`: train by one loop or by each in turn, print scores, judge if two agree."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from loops.commands import rungs
from loops.commands import workers as several
from loops.commands.joined import work
from loops.commands.options import (
    DEFAULTS,
    Subparsers,
    add_command,
    add_settings,
    given_settings,
    load_images,
    positive_int,
    seed,
    start,
)
from loops.config import TrainConfig
from loops.errors import UserError
from loops.history import CURVE_EVERY

if TYPE_CHECKING:
    from loops.distribute.workers import Workers
    from loops.evaluate import Evaluation
    from loops.history import History
    from loops.run.context import Training
    from loops.run.experiment import Outcome, RunOptions
    from model import FashionCNN


def add_to(commands: Subparsers) -> None:
    """Add the three commands with their options."""
    for name, summary in (
        ("fit", "train by compile() and fit()"),
        ("tape", "train by the hand-written tf.function and GradientTape loop"),
        ("both", "train by each in turn and compare to the bit"),
    ):
        parser = add_command(commands, name, summary, run)
        _add_options(parser)
        if name == "tape":
            rungs.add_options(parser)
            several.add_options(parser)
        else:
            several.add_refused_options(parser)
        if name != "both":
            parser.add_argument("--resume", metavar="RUN", help="go on with this run, by its name in --runs")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed", type=seed, help=f"decides initial weights and batch order (default: {DEFAULTS.seed})"
    )
    pages = parser.add_mutually_exclusive_group()
    for group, option, unit, text in (
        (parser, "--checkpoint-every", "STEPS", "steps from one checkpoint to the next (default: an epoch)"),
        (
            parser,
            "--curve-every",
            "STEPS",
            f"steps between points of the curves by step (default: {CURVE_EVERY})",
        ),
        (
            pages,
            "--pages-every",
            "EPOCHS",
            "epochs between TensorBoard's pictures, histograms and PR curves (default: after the last)",
        ),
    ):
        group.add_argument(option, type=positive_int, metavar=unit, help=text)
    help_none = "write none of these pages; curves, scores and the graph are written all the same"
    pages.add_argument("--no-pages", action="store_true", help=help_none)
    parser.add_argument("--profile", action="store_true", help="record some steps for the Profile tab")
    add_settings(parser)


def run(options: argparse.Namespace) -> int:
    """Train, print, and return the exit code: 1 where two loops differ on a CPU, where they never should."""
    several.refuse_other_loops(options)
    if several.is_clustered(options):
        return _run_clustered(options)
    loops, config, resume = _settled(options)
    if resume and _is_done(resume):
        return 0
    if several.is_launcher(options):
        return several.start_workers(options, config)
    images = load_images(options)
    if loops == ("fast",):
        rungs.begin_to_compile(config, options.device)
    where = start(options.device, threads_an_op=several.threads_an_op(config))
    _warn_of_a_large_batch(config.batch_size, len(images.train))
    from loops.run.context import Training

    if loops == ("fast",):
        config = rungs.settled(config, images, where, resumed=resume is not None)
    trainings = [Training(loop, config, images, where) for loop in loops]
    return _train_all(trainings, options, resume)


def _settled(options: argparse.Namespace) -> tuple[tuple[str, ...], TrainConfig, Path | None]:
    """The loops, their config, and the run to go on with."""
    given = given_settings(options)
    loops: tuple[str, ...] = ("fit", "tape") if options.command == "both" else (options.command,)
    if rungs.are_asked_for(options):
        loops = ("fast",)
    if not getattr(options, "resume", None):
        return loops, TrainConfig(**several.shards_of(options) | given), None
    from loops.run import resume as resuming

    resume = resuming.find(options.runs, options.resume)
    loops, config = resuming.settings_of(resume, loops[0], given)
    return loops, config, resume


def _is_done(resume: Path) -> bool:
    """Whether a run has its result; says so."""
    from loops.run import resume as resuming

    if resuming.is_done(resume):
        print(f"{resume}: this run is done; result.json holds its scores")
        return True
    return False


def _run_clustered(options: argparse.Namespace) -> int:
    """As one of several workers; the first settles what is trained, and keeps the run."""

    def settle() -> tuple[TrainConfig, Path | None]:
        (loop,), config, resume = _settled(options)
        if loop != "tape":
            raise UserError(f"--resume {options.resume}: this is a run of {loop}, which runs in one process.")
        return config, resume

    def train(training: "Training", resume: Path | None, workers: "Workers") -> int:
        _warn_of_a_large_batch(training.config.batch_size, len(training.data.train))
        return _train_all([training], options, resume, workers)

    return work(options, settle, train)


def _warn_of_a_large_batch(batch_size: int, count: int) -> None:
    if batch_size > count:
        what = f"--batch-size {batch_size} is more than the {count} images there are"
        print(f"warning: {what}: an epoch is one step on all of them", file=sys.stderr)


def _train_all(
    trainings: "Sequence[Training]",
    options: argparse.Namespace,
    resume: Path | None,
    workers: "Workers | None" = None,
) -> int:
    from loops.distribute.workers import ALONE
    from loops.run.experiment import RunOptions

    run_options = RunOptions(
        resume=resume,
        checkpoint_every=options.checkpoint_every,
        curve_every=options.curve_every,
        pages_every=0 if options.no_pages else options.pages_every,
        profile=options.profile,
        stop=options.stop,
        workers=workers or ALONE,
    )
    outcomes = [
        _train_one(training, options.runs, run_options, summary=number == 0)
        for number, training in enumerate(trainings)
    ]
    return _judge(trainings, outcomes) if len(outcomes) > 1 else 0


def _train_one(training: "Training", runs: Path, run_options: "RunOptions", *, summary: bool) -> "Outcome":
    from loops.commands.console import EpochBars
    from loops.run.experiment import run_experiment

    def introduce(model: "FashionCNN") -> None:
        if summary:
            model.summary()
        _print_heading(training, run_options.workers.size)

    with EpochBars(training.config, training.steps_per_epoch) as bars:
        own = replace(run_options, on_model=introduce, on_scores=_print_scores)
        outcome = run_experiment(training, runs, on_step=bars.on_step, on_epoch=bars.on_epoch, options=own)
    print(f"\nsaved in {outcome.folder}")
    return outcome


def _print_scores(history: "History", evaluation: "Evaluation") -> None:
    from loops.commands.console import format_confusion, format_scores

    print(f"\n{format_scores(history, evaluation)}")
    print(f"\nconfusion matrix\n{format_confusion(evaluation.confusion)}", flush=True)


def _print_heading(training: "Training", workers: int) -> None:
    config, name = training.config, training.device.name
    print(
        f"\n{training.loop} on {name}: epochs {config.epochs}, batch size {config.batch_size}, "
        f"learning rate {config.learning_rate}, seed {config.seed}{several.shown(config, workers)}"
    )
    if training.loop == "fast":
        print(f"rung: {rungs.name_of(config, training.device)}")


def _judge(trainings: "Sequence[Training]", outcomes: "Sequence[Outcome]") -> int:
    """Say whether two trainings ended bit-identical, and write their difference for TensorBoard."""
    from loops.parity.differences import training_state
    from loops.parity.verdict import judge
    from loops.tensorboard.curves import write_difference

    device = trainings[0].device
    states = [training_state(outcome.model, outcome.history) for outcome in outcomes]
    verdict = judge(*states)
    names = " against ".join(training.loop for training in trainings)
    print(f"\nverdict, {names}: {verdict.worded(device.name)}")
    by_epoch = tuple({r.epoch: r.metrics for r in outcome.history.epochs} for outcome in outcomes)
    write_difference(outcomes[-1].folder, by_epoch, tuple(outcome.points for outcome in outcomes))
    return 1 if not verdict.identical and device.kind == "cpu" else 0
