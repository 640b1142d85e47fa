"""`compare`: two finished runs side by side."""

import argparse
from pathlib import Path

from loops.commands.options import Subparsers, add_command


def add_to(commands: Subparsers) -> None:
    """Add the command with its options."""
    parser = add_command(commands, "compare", "compare two finished runs", run)
    parser.add_argument("names", type=Path, nargs=2, metavar="RUN", help="a run's folder, or its name")
    parser.add_argument(
        "--runs", dest="folder", metavar="DIR", default="runs", type=Path, help="where run folders are"
    )


def run(options: argparse.Namespace) -> int:
    """Print the comparison."""
    from loops.run.comparison import compare_runs

    named = [
        path if len(path.parts) > 1 or path.is_dir() else options.folder / path for path in options.names
    ]
    print(compare_runs(*named))
    return 0
