"""`diagnose`: why a training step of the reader's own departs from fit()."""

import argparse
from pathlib import Path

from loops.case.replicas import logical_cpus
from loops.case.source_check import refuse_no_python
from loops.commands.options import Subparsers, add_command, positive_int, start
from loops.diagnose.diagnosis import STEPS


def add_to(commands: Subparsers) -> None:
    """Add the command with its options."""
    summary = "find out why a training step of your own differs from fit()"
    parser = add_command(commands, "diagnose", summary, run)
    parser.add_argument("case", type=Path, metavar="CASE.py", help="see docs/diagnose.md")
    parser.add_argument("--steps", type=positive_int, default=STEPS, help="steps to compare")
    parser.add_argument(
        "--template", action="store_true", help="write a skeleton to CASE.py, a new file, and do no more"
    )
    parser.add_argument(
        "--check", action="store_true", help="exit with 3 unless the verdict is identical (within rounding)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write verdict and evidence as JSON")


def run(options: argparse.Namespace) -> int:
    """Print the evidence, the mended code and the verdict."""
    if options.template:
        from loops.case.template import write_template

        write_template(options.case)
        print(f"{options.case}: written. Fill it in, then: python -m loops diagnose {options.case}")
        return 0
    refuse_no_python(options.case)
    start("cpu", cpus=logical_cpus(options.case))
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # each replay is a trace of its own, which TensorFlow warns about
    from loops.diagnose.engine import diagnose
    from loops.diagnose.printing import DIFFERENT, print_diagnosis, write_diagnosis

    found = diagnose(options.case, options.steps, lambda line: print(f"  {line}", flush=True))
    print_diagnosis(found)
    if options.json:
        write_diagnosis(found, options.json)
    return DIFFERENT if options.check and not found.identical else 0
