"""`diagnose`: why a training step of the reader's own departs from fit()."""

import argparse
from pathlib import Path

from loops.commands.options import Subparsers, add_command, positive_int, start
from loops.errors import UserError

STEPS = 50


def add_to(commands: Subparsers) -> None:
    """Add the command with its options."""
    summary = "find out why a training step of your own differs from fit()"
    parser = add_command(commands, "diagnose", summary, run)
    parser.add_argument("case", type=Path, metavar="CASE.py", help="see docs/diagnose.md")
    parser.add_argument("--steps", type=positive_int, default=STEPS, help="steps to compare")


def run(options: argparse.Namespace) -> int:
    """Print the evidence, the mended code and the verdict."""
    if not options.case.is_file():
        raise UserError(f"{options.case}: is not a file. docs/diagnose.md says what a case file holds.")
    start("cpu")
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # each replay is a trace of its own, which TensorFlow warns about
    from loops.diagnose.engine import diagnose
    from loops.diagnose.printing import print_diagnosis

    return print_diagnosis(diagnose(options.case, options.steps, lambda line: print(f"  {line}", flush=True)))
