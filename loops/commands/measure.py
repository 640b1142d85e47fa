"""`measure`: how long a training step of the reader's own takes, against fit()."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loops import device
from loops.case.source_check import refuse_no_python
from loops.commands.options import Subparsers, add_command, start
from loops.measure.floor import Processor, read_processor

if TYPE_CHECKING:
    from loops.measure.measurement import Measurement

ALL = "all"
BUILT_IN = Path(__file__).parents[1] / "case" / "fashion_cnn.py"


def add_to(commands: Subparsers) -> None:
    """Add the command with its options."""
    summary = "time a training step of your own against fit()"
    parser = add_command(commands, "measure", summary, run)
    parser.add_argument(
        "case",
        type=Path,
        metavar="CASE.py",
        nargs="?",
        help="see docs/diagnose.md; without it, this project's CNN is measured",
    )
    parser.add_argument(
        "--device",
        choices=(*device.CHOICES, ALL),
        default="cpu",
        help="which processor trains; auto takes a GPU, all measures both and says what the GPU is worth",
    )
    parser.add_argument(
        "--assume",
        type=_processor,
        action="append",
        metavar="'NAME: X TFLOP/s, Y TB/s'",
        help="also say what a processor with these peak rates could do at best; may be repeated",
    )
    parser.add_argument("--as-it-is", action="store_true", help="try no ways to run the step faster")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures as JSON")
    parser.add_argument(
        "--board", type=Path, metavar="DIR", default="runs", help="where TensorBoard finds the figures"
    )
    parser.add_argument("--no-board", action="store_true", help="write nothing for TensorBoard")


def run(options: argparse.Namespace) -> int:
    """Print the tables, what is known of a GPU, and the sentence."""
    options.case = options.case or BUILT_IN
    refuse_no_python(options.case)
    environment = dict(os.environ)  # before a GPU is hidden from this process
    both = options.device == ALL
    there: Mapping[str, Any] | None = None
    has_gpu = both and device.gpu_is_there(environment)
    if has_gpu:
        from loops.measure.both_devices import measure_on_gpu

        there = measure_on_gpu(options.case, ["--as-it-is"] if options.as_it_is else [], environment)
    measured = _measured(options, both=both)
    if both:
        _print_worth(measured, there, has_gpu=has_gpu)
    if options.json:
        from loops.measure.printing import write_measurement

        write_measurement(measured, options.json, there)
    if not options.no_board:
        from loops.measure.board import write_board

        board = write_board(measured, options.board)
        print(f"\nfor TensorBoard: {board or 'not written, it is not installed'}")
    return 0


def _measured(options: argparse.Namespace, *, both: bool) -> "Measurement":
    here = start("cpu" if both else options.device)
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # arms are made anew, each with a trace, which TensorFlow warns about
    from loops.measure.engine import measure
    from loops.measure.printing import as_text

    measured = measure(
        options.case,
        lambda line: print(f"  {line}", flush=True),
        ways=not options.as_it_is,
        device=here,
        assumed=options.assume or ([] if both else None),
    )
    print(f"\n{as_text(measured)}", flush=True)
    return measured


def _print_worth(measured: "Measurement", there: Mapping[str, Any] | None, *, has_gpu: bool) -> None:
    from loops.measure.both_devices import worth
    from loops.measure.bound import NO_GPU

    print("\nWhat does a GPU buy?")
    if there is not None:
        print("\n".join(worth(measured, there)))
    elif has_gpu:
        print("The GPU's own measurement failed; its message stands above.")
    else:
        print(NO_GPU)
        if measured.bounds and not measured.bounds.assumed:
            print("For a bound, name a GPU's peak rates: --assume 'H100: 495 TFLOP/s, 3.3 TB/s'")


def _processor(text: str) -> Processor:
    try:
        return read_processor(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
