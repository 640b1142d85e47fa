"""The options of several workers, `--workers N` and `--cluster auto`: what they mean, what is refused."""

import argparse
from typing import Any

from loops.commands.options import make_writable, number_of_shards, positive_int, positive_seconds
from loops.config import REDUCTIONS, SHARDS, THREADS_AN_OP, TrainConfig
from loops.distribute import launch
from loops.distribute.cluster import ClusterError
from loops.errors import UserError

WAIT = 30.0
SECONDS_A_START = 15.0  # of TensorFlow, on a slow machine


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of several workers."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--workers",
        type=positive_int,
        metavar="N",
        help="train on N processes of this machine (docs/scaling.md)",
    )
    how.add_argument(
        "--cluster",
        choices=("auto",),
        help="this process is one worker of the cluster that TF_CONFIG or Slurm names",
    )
    parser.add_argument(
        "--shards",
        type=number_of_shards,
        metavar="S",
        help="parts of a batch, which workers share; they decide the weights, the number of workers does "
        f"not (default: {SHARDS} with --workers or --cluster, else 1)",
    )
    parser.add_argument(
        "--reduce",
        choices=REDUCTIONS,
        help="how gradients are added: fast sends less, but the bits depend on the number of workers "
        "(default: ordered)",
    )
    parser.add_argument(
        "--wait", type=positive_seconds, metavar="SECONDS", default=WAIT, help="for all workers to come"
    )


def add_refused_options(parser: argparse.ArgumentParser) -> None:
    """The same two for fit() and both, which refuse them with the reason: a user may well try."""
    parser.add_argument("--workers", type=positive_int, help=argparse.SUPPRESS)
    parser.add_argument("--cluster", help=argparse.SUPPRESS)


def is_clustered(options: argparse.Namespace) -> bool:
    """Whether this process is a worker among others."""
    return getattr(options, "cluster", None) is not None


def is_launcher(options: argparse.Namespace) -> bool:
    """Whether this process starts workers, and trains nothing itself."""
    return (getattr(options, "workers", None) or 1) > 1


def shards_of(options: argparse.Namespace) -> dict[str, Any]:
    """The number of shards that the options mean where they do not name it."""
    several = getattr(options, "workers", None) or is_clustered(options)
    return {"shards": SHARDS} if several and options.shards is None else {}


def threads_an_op(config: TrainConfig) -> int | None:
    """The threads of one operation: one where shards run side by side, so that cores change no bits."""
    return THREADS_AN_OP if config.shards > 1 else None


def shown(config: TrainConfig, workers: int) -> str:
    """What the heading of a training says of shards."""
    return "" if config.shards == 1 else f", {config.shards} shards, {workers} worker{'s' * (workers > 1)}"


def refuse_other_loops(options: argparse.Namespace) -> None:
    """Only the tape runs on several workers.

    Raises:
        UserError: another loop was asked for together with them.
    """
    if options.command != "tape":
        if options.workers or options.cluster:
            raise UserError(
                "fit() of Keras 3.15 cannot train on several workers: MultiWorkerMirroredStrategy fails "
                "(github.com/keras-team/keras/issues/20585). Use: python -m loops tape --workers N."
            )
        return
    wanted = [
        name
        for name in ("workers", "cluster", "shards", "reduce")
        if getattr(options, name, None) is not None
    ]
    if wanted and (options.fast or options.rung):
        fast = "--fast" if options.fast else "--rung"
        raise UserError(
            f"--{wanted[0]} with {fast}: the fast loop runs in one process. Leave one of them out."
        )


def refuse_undivided(workers: int, config: TrainConfig) -> None:
    """Each worker has as many shards.

    Raises:
        ClusterError: the number of workers does not divide that of shards.
    """
    if config.shards % workers:
        fitting = [n for n in range(1, config.shards + 1) if config.shards % n == 0]
        raise ClusterError(
            f"{config.shards} shards cannot be shared evenly by {workers} workers: use {_either(fitting)}, "
            "or another --shards with a new run."
        )


def _either(numbers: list[int]) -> str:
    *most, last = map(str, numbers)
    return f"{', '.join(most)} or {last}" if most else last


def start_workers(options: argparse.Namespace, config: TrainConfig) -> int:
    """Start the workers of this machine and return their exit code."""
    refuse_undivided(options.workers, config)
    make_writable(options.runs)  # else the chief alone would fail, and the others wait for it
    gpus = launch.gpus_for(options.workers, options.device)
    options.stop.polite = options.stop.silent = True  # a signal is passed on to the workers
    wait = max(options.wait, SECONDS_A_START * options.workers)  # all start at once, on the same cores
    arguments = [*_without_workers(options.arguments), "--wait", str(wait)]
    return launch.run(options.workers, arguments, gpus=gpus, stopped=lambda: options.stop.asked)


def _without_workers(arguments: list[str]) -> list[str]:
    """The command line less --workers N or --workers=N."""
    kept, skip = [], False
    for argument in arguments:
        name, given, _ = argument.partition("=")
        ours = name == "--workers"
        if not (skip or ours):
            kept.append(argument)
        skip = ours and not given
    return kept
