"""Options that several commands share: the settings of a training, and what their values may be."""

import argparse
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loops import device
from loops.config import MOST_SHARDS, TrainConfig
from loops.errors import UserError

if TYPE_CHECKING:
    from loops.data import FashionMnist

Subparsers = Any  # argparse's own type for them is private
DEFAULTS = TrainConfig()
LARGEST = 10**9  # epochs or images a batch; beyond it TensorFlow's step counter is the limit
LARGEST_RATE = 1e6  # Adam moves each weight by about the rate a step


class _HelpWithDefaults(argparse.ArgumentDefaultsHelpFormatter):
    """Shows each option's default, but not a None."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return super()._get_help_string(action) if action.default is not None else action.help


def add_command(
    commands: Subparsers, name: str, summary: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """A new command whose options `run` gets."""
    sentence = f"{summary[0].upper()}{summary[1:]}."
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=sentence,
        formatter_class=_HelpWithDefaults,
        allow_abbrev=False,  # --step for --steps hides a slip
    )
    parser.set_defaults(run=run)
    return parser


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The settings of a training, the device, the data and the runs folder."""
    # No defaults here: what is not given comes from the run that is resumed, else from TrainConfig
    for option, kind, text in (
        ("--epochs", positive_int, "passes over the images"),
        ("--batch-size", positive_int, "images a step"),
        ("--learning-rate", positive_float, "Adam's learning rate"),
    ):
        default = getattr(DEFAULTS, option.removeprefix("--").replace("-", "_"))
        parser.add_argument(option, type=kind, help=f"{text} (default: {default})")
    parser.add_argument(
        "--device", choices=device.CHOICES, default="auto", help="auto takes a GPU where there is one"
    )
    parser.add_argument(
        "--data", metavar="DIR", help="folder with the four official .gz files, in place of the embedded ones"
    )
    parser.add_argument("--runs", metavar="DIR", default="runs", type=Path, help="where run folders go")


def given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that the command line names, by their names in TrainConfig."""
    names = ("epochs", "batch_size", "learning_rate", "seed", "rung", "shards", "reduce")
    return {name: value for name in names if (value := getattr(options, name, None)) is not None}


def prepare(
    options: argparse.Namespace, *, threads_an_op: int | None = None
) -> "tuple[FashionMnist, device.Device]":
    """Load the data and start TensorFlow; bad data and a bad folder are refused before that slow start."""
    return load_images(options), start(options.device, threads_an_op=threads_an_op)


def load_images(options: argparse.Namespace, *, writes: bool = True) -> "FashionMnist":
    """Load the data; refuses a bad runs folder, if this process writes to it."""
    from loops import data

    images = data.load(data.find_folder(options.data))
    if writes:
        make_writable(options.runs)
    return images


def start(choice: str, **settings: Any) -> device.Device:
    """Start TensorFlow as `device.start` does, and say so, since it takes seconds."""
    print("starting TensorFlow …", file=sys.stderr)
    return device.start(choice, **{name: value for name, value in settings.items() if value is not None})


def make_writable(runs: Path) -> None:
    """Refuse a runs folder that cannot be written."""
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=runs):
            pass
    except OSError as error:
        raise UserError(
            f"--runs {runs}: cannot be written ({error.strerror}). Choose a folder you may write to."
        ) from None


def positive_int(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {LARGEST}, not {text!r}")
    return int(text)


def number_of_shards(text: str) -> int:
    """A whole number from 1 to MOST_SHARDS."""
    if not text.isdecimal() or not 1 <= int(text) <= MOST_SHARDS:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MOST_SHARDS}, not {text!r}")
    return int(text)


def positive_float(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= LARGEST_RATE:
        raise argparse.ArgumentTypeError(
            f"must be a number above 0 and at most {LARGEST_RATE:g}, not {text!r}"
        )
    return value


def positive_seconds(text: str) -> float:
    """A time above 0, a day at most."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(
            f"must be a number of seconds above 0 and at most 86400, not {text!r}"
        )
    return value


def seed(text: str) -> int:
    """A whole number of 32 bits."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 4294967295, not {text!r}")
    return int(text)
