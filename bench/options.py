"""The options of `pytest bench`."""

import argparse
import os
import sys
from pathlib import Path

import pytest


def add_options(parser: pytest.Parser) -> None:
    """Options of the bench alone."""
    group = parser.getgroup("fit-vs-tape")
    group.addoption("--device", choices=("cpu", "gpu", "all"), default="all", help="what to measure (all)")
    group.addoption("--epochs", type=int, default=3, help="epochs of the full trainings (3)")
    group.addoption(
        "--pairs",
        type=int,
        default=96,
        help="pairs of blocks behind a headline (96)",
    )
    group.addoption(
        "--case",
        type=Path,
        action="append",
        default=[],
        metavar="CASE.py",
        help="measure this case in place of the CNN; may be repeated (see docs/diagnose.md)",
    )
    group.addoption(
        "--board", type=Path, default=Path("runs"), help="for TensorBoard: trainings and figures (runs)"
    )
    group.addoption("--no-board", action="store_true", help="write nothing for TensorBoard")
    # Of the GPU's own process, whose figures are written by the process that started it
    group.addoption("--no-figures", action="store_true", help=argparse.SUPPRESS)
    group.addoption(
        "--peers",
        type=Path,
        nargs="?",
        const=Path(sys.executable),
        metavar="PYTHON",
        help="time PyTorch's and JAX's steps too, by this interpreter (default: this one)",
    )
    group.addoption("--grid", action="store_true", help="every loop variant at every batch size")


def refuse_bad_values(config: pytest.Config) -> None:
    """Refuse what no measurement can be made with.

    Raises:
        pytest.UsageError: a number is too small, or a file is missing.
    """
    if min(config.getoption("--epochs"), config.getoption("--pairs") - 1) < 1:
        raise pytest.UsageError("--epochs must be at least 1 and --pairs at least 2")
    missing = [str(path) for path in config.getoption("--case") if not path.is_file()]
    if missing:
        raise pytest.UsageError(f"--case {missing[0]}: is not a file")
    peers = config.getoption("--peers")
    if peers and not (peers.is_file() and os.access(peers, os.X_OK)):
        raise pytest.UsageError(f"--peers {peers}: is no program; write --peers=PYTHON, or --peers last")
