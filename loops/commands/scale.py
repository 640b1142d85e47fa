"""`scale`: a training step of the reader's own on several workers."""

import argparse
from pathlib import Path

from loops.case.source_check import refuse_no_python
from loops.commands.measure import BUILT_IN
from loops.commands.options import Subparsers, add_command, number_of_shards, positive_int, start
from loops.config import SHARDS
from loops.errors import UserError


def add_to(commands: Subparsers) -> None:
    """Add the command with its options."""
    summary = "run a training step of your own on several workers of this machine"
    parser = add_command(commands, "scale", summary, run)
    parser.add_argument(
        "case",
        type=Path,
        metavar="CASE.py",
        nargs="?",
        help="see docs/diagnose.md; without it, this project's CNN is run",
    )
    parser.add_argument(
        "--workers",
        type=positive_int,
        action="append",
        metavar="N",
        help="how many; may be repeated (default: 2)",
    )
    parser.add_argument(
        "--shards", type=number_of_shards, default=SHARDS, metavar="S", help="parts of a batch"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures as JSON")


def run(options: argparse.Namespace) -> int:
    """Print the table, the sentence and the code."""
    path, counts = options.case or BUILT_IN, options.workers or [2]
    refuse_no_python(path)
    odd = [count for count in counts if options.shards % count]
    if odd:
        raise UserError(
            f"--workers {odd[0]}: does not divide {options.shards} shards evenly. Change one of them."
        )
    start("cpu")
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    from loops.measure.printing_scale import as_text, write_scaling
    from loops.measure.scale import scale

    found = scale(path, counts, options.shards, lambda line: print(f"  {line}", flush=True))
    print(f"\n{as_text(found)}")
    if options.json:
        write_scaling(found, options.json)
    return 0
