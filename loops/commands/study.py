"""`study`: accuracy as a distribution, from trainings by each loop over many seeds."""

import argparse
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from loops.commands.options import (
    Subparsers,
    add_command,
    add_settings,
    given_settings,
    positive_int,
    prepare,
)
from loops.config import TrainConfig

if TYPE_CHECKING:
    from loops.history import Hooks
    from loops.run.context import Training

SEEDS = 20


def add_to(commands: Subparsers) -> None:
    """Add the command with its options."""
    summary = "train by fit, tape and fast over many seeds; called again, go on where it was stopped"
    parser = add_command(commands, "study", summary, run)
    parser.add_argument("--seeds", type=positive_int, default=SEEDS, help="how many, from 0 on")
    add_settings(parser)


def run(options: argparse.Namespace) -> int:
    """Train what is missing, then print and save the summary."""
    images, where = prepare(options)
    from loops.run.seeds import draw, summarise, write_csv
    from loops.run.study import Study

    folder = options.runs / "study"
    study = Study(images, TrainConfig(**given_settings(options)), where, folder, options.stop)
    results = study.results(range(options.seeds), _announced)
    print("\n" + summarise(results))
    print(f"\nsaved: {write_csv(results, folder / 'study.csv')}, {draw(results, folder / 'study.png')}")
    return 0


@contextlib.contextmanager
def _announced(training: "Training") -> "Iterator[Hooks]":
    from loops.commands.console import EpochBars

    print(f"seed {training.config.seed}, {training.loop}")
    with EpochBars(training.config, training.steps_per_epoch) as bars:
        yield bars.hooks
