"""`measure`: how long a training step of the reader's own takes, against fit()."""

import argparse
from pathlib import Path

from loops import device
from loops.commands.options import Subparsers, add_command, start
from loops.errors import UserError


def add_to(commands: Subparsers) -> None:
    """Add the command with its options."""
    summary = "time a training step of your own against fit()"
    parser = add_command(commands, "measure", summary, run)
    parser.add_argument("case", type=Path, metavar="CASE.py", help="see docs/diagnose.md")
    parser.add_argument(
        "--device", choices=device.CHOICES, default="cpu", help="which processor trains; auto takes a GPU"
    )
    parser.add_argument("--as-it-is", action="store_true", help="try no ways to run the step faster")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures as JSON")


def run(options: argparse.Namespace) -> int:
    """Print the table and its sentence."""
    if not options.case.is_file():
        raise UserError(f"{options.case}: is not a file. docs/diagnose.md says what a case file holds.")
    here = start(options.device)
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # arms are made anew, each with a trace, which TensorFlow warns about
    from loops.measure.engine import measure
    from loops.measure.printing import as_text, write_measurement

    ways = not options.as_it_is
    measured = measure(options.case, lambda line: print(f"  {line}", flush=True), ways=ways, device=here)
    print(f"\n{as_text(measured)}", flush=True)
    if options.json:
        write_measurement(measured, options.json)
    return 0
