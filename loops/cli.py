"""The command line, `python -m loops`. TensorFlow is imported late, so that --help is instant."""

import argparse
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loops import device
from loops.config import TrainConfig
from loops.errors import Stopped, UserError
from loops.run.signals import SHELL, StopRequest

if TYPE_CHECKING:
    from loops.data import FashionMnist

DEFAULTS = TrainConfig()
LARGEST = 10**9  # epochs or images a batch; beyond it TensorFlow's step counter is the limit
LARGEST_RATE = 1e6  # Adam moves each weight by about the rate a step
STUDY_SEEDS = 20
DIAGNOSIS_STEPS = 50


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done, 1 failed, 2 usage, 130 or 143 stopped."""
    options = parse(arguments)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        with StopRequest() as options.stop:
            return command(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"error: {error}; activate the environment (. .venv/bin/activate)", file=sys.stderr)
        return 1
    except Stopped as stopped:
        print(f"\n{stopped}", file=sys.stderr)
        return SHELL + stopped.number


def entry() -> None:
    """The installed command."""
    sys.exit(main())


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse and check the options; exits with code 2 and a message where they are wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m loops",
        description="Train one CNN on Fashion-MNIST by fit(), by a hand-written loop, or by both; "
        "or find out why a loop of your own departs from fit().",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in (
        ("fit", "train by compile() and fit()"),
        ("tape", "train by the hand-written tf.function and GradientTape loop"),
        ("both", "train by each in turn and compare to the bit"),
    ):
        training = _command(commands, name, summary, _train)
        _add_training(training)
        if name == "tape":
            help_fast = "the same mathematics, run the fastest way; rounds otherwise (docs/speed.md)"
            training.add_argument("--fast", action="store_true", help=help_fast)
        if name != "both":
            training.add_argument("--resume", metavar="RUN", help="go on with a run where it was left")
    study = _command(
        commands,
        "study",
        "train by fit, tape and fast over many seeds: mean, spread, parity; goes on if called again",
        _study,
    )
    study.add_argument("--seeds", type=_positive_int, default=STUDY_SEEDS, help="how many, from 0 on")
    _add_settings(study)
    compare = _command(commands, "compare", "hold two finished runs side by side", _compare)
    compare.add_argument("names", type=Path, nargs=2, metavar="RUN", help="a run's folder, or its name")
    compare.add_argument(
        "--runs", dest="folder", metavar="DIR", default="runs", type=Path, help="where run folders are"
    )
    diagnose = _command(commands, "diagnose", "name the mistake in a training step of your own", _diagnose)
    diagnose.add_argument("case", type=Path, metavar="CASE.py", help="see docs/diagnose.md")
    diagnose.add_argument("--steps", type=_positive_int, default=DIAGNOSIS_STEPS, help="steps to compare")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:  # said by the command, whose usage helps, and not by the whole
        commands.choices[options.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    return options


class _HelpWithDefaults(argparse.ArgumentDefaultsHelpFormatter):
    """Shows each option's default, but not a None."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return super()._get_help_string(action) if action.default is not None else action.help


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary, formatter_class=_HelpWithDefaults)
    parser.set_defaults(run=run)
    return parser


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed", type=_seed, help=f"decides initial weights and batch order (default: {DEFAULTS.seed})"
    )
    parser.add_argument(
        "--checkpoint-every",
        type=_positive_int,
        metavar="STEPS",
        help="steps from one checkpoint to the next (default: an epoch)",
    )
    parser.add_argument(
        "--pages-every",
        type=_positive_int,
        metavar="EPOCHS",
        help="epochs between TensorBoard's pictures, histograms, PR curves (default: after the last)",
    )
    parser.add_argument("--profile", action="store_true", help="record some steps for the Profile tab")
    _add_settings(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    # No defaults here: what is not given comes from the run that is resumed, else from TrainConfig
    for option, kind, text in (
        ("--epochs", _positive_int, "passes over the images"),
        ("--batch-size", _positive_int, "images a step"),
        ("--learning-rate", _positive_float, "Adam's"),
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


def _train(options: argparse.Namespace) -> int:
    loops: tuple[str, ...] = ("fit", "tape") if options.command == "both" else (options.command,)
    if getattr(options, "fast", False):
        loops = ("fast",)
    config, resume = _config(options), None
    if getattr(options, "resume", None):
        from loops.run import resume as resuming

        resume = resuming.find(options.runs, options.resume)
        loops, config = resuming.settings(resume, loops[0], _given(options))
        if resuming.is_done(resume):
            print(f"{resume}: this run is done; result.json holds its scores")
            return 0
    images, where = _prepare(options)
    count = len(images.train)
    if config.batch_size > count:
        what = f"--batch-size {config.batch_size} is more than the {count} images there are"
        print(f"warning: {what}: an epoch is one step on all of them", file=sys.stderr)
    from loops.commands.train import train_and_print
    from loops.run.experiment import Keeping

    keeping = Keeping(resume, options.checkpoint_every, options.stop, options.pages_every, options.profile)
    return train_and_print(loops, images, config, where, options.runs, keeping)


def _study(options: argparse.Namespace) -> int:
    images, where = _prepare(options)
    from loops.commands.study import run_study

    return run_study(
        images, _config(options), range(options.seeds), where, options.runs / "study", options.stop
    )


def _compare(options: argparse.Namespace) -> int:
    from loops.commands.compare import contrast

    named = [
        path if len(path.parts) > 1 or path.is_dir() else options.folder / path for path in options.names
    ]
    print(contrast(*named))
    return 0


def _diagnose(options: argparse.Namespace) -> int:
    if not options.case.is_file():
        raise UserError(f"{options.case}: is no file. docs/diagnose.md says what a case file holds.")
    _start("cpu")
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # each replay is a trace of its own, which TensorFlow warns about
    from loops.diagnose.engine import diagnose
    from loops.diagnose.printing import print_diagnosis

    return print_diagnosis(diagnose(options.case, options.steps, lambda line: print(f"  {line}", flush=True)))


def _config(options: argparse.Namespace) -> TrainConfig:
    return TrainConfig(**_given(options))


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that stand on the command line."""
    names = ("epochs", "batch_size", "learning_rate", "seed")
    return {name: value for name in names if (value := getattr(options, name, None)) is not None}


def _prepare(options: argparse.Namespace) -> "tuple[FashionMnist, device.Device]":
    """Refuse bad data and a bad folder before TensorFlow's slow start."""
    from loops import data

    images = data.load(data.find_folder(options.data))
    _make_writable(options.runs)
    return images, _start(options.device)


def _start(choice: str) -> device.Device:
    print("starting TensorFlow …", file=sys.stderr)
    return device.start(choice)


def _make_writable(runs: Path) -> None:
    """Refuse a runs folder that cannot be written, before anything slow starts."""
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=runs):
            pass
    except OSError as error:
        raise UserError(
            f"--runs {runs}: cannot be written ({error.strerror}). Choose a folder you may write to."
        ) from None


def _positive_int(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {LARGEST}, not {text!r}")
    return int(text)


def _positive_float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= LARGEST_RATE:
        raise argparse.ArgumentTypeError(
            f"must be a number above 0 and at most {LARGEST_RATE:g}, not {text!r}"
        )
    return value


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 4294967295, not {text!r}")
    return int(text)
