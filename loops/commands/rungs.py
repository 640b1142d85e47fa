"""The fast loop on the command line: `--fast` and `--rung`, the rung that is taken, and compiling ahead."""

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from loops import device
from loops.config import RUNGS, TrainConfig
from loops.device import Device
from loops.errors import UserError

if TYPE_CHECKING:
    from loops.data import FashionMnist


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the two options."""
    help_fast = "train the same mathematics the fastest way, which rounds differently (docs/speed.md)"
    parser.add_argument("--fast", action="store_true", help=help_fast)
    parser.add_argument(
        "--rung",
        choices=RUNGS,
        help="with this rung of the fast loop; --fast alone takes the one that is fastest here",
    )


def are_asked_for(options: argparse.Namespace) -> bool:
    """Whether the fast loop is to train."""
    return bool(getattr(options, "fast", False) or getattr(options, "rung", None))


def begin_to_compile(config: TrainConfig, choice: str) -> None:
    """Compile the step while TensorFlow starts, where `choice` of a device and the rung let it be used."""
    on_cpu = choice == "cpu" or (choice == "auto" and not device.may_have_gpu())
    if not on_cpu or config.rung not in (None, "compiled"):
        return
    from loops.fast.compiled import build

    if build.begin():
        print("compiling the fast step for some seconds, once a checkout …", file=sys.stderr)


def settled(config: TrainConfig, images: "FashionMnist", where: Device, *, resumed: bool) -> TrainConfig:
    """The config with the rung that is fastest on this machine, where it names none.

    Raises:
        UserError: the rung that it names cannot run on the device.
    """
    from loops.fast.rungs import BY_KEY, runs_on

    if config.rung is None:
        if resumed:  # of a run that was begun before rungs were named
            return config
        from loops.measure.rungs import fastest_rung

        return replace(config, rung=fastest_rung(images.train, config.batch_size, where, print))
    if not runs_on(BY_KEY[config.rung], where.kind):
        whose = "this run's rung is" if resumed else "--rung"
        raise UserError(f"{whose} {config.rung}: its kernels are compiled for a CPU. Add --device cpu.")
    return config


def name_of(config: TrainConfig, where: Device) -> str:
    """The rung's name as the tables have it."""
    from loops.fast.rungs import rung_of

    return rung_of(config.rung, where.kind).name
