"""Measured rows for TensorBoard: the loops' as rows of HParams, all as text, the plots as images."""

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import tensorflow as tf

from bench.report.closing import all_tables
from bench.report.plots import write_plots
from bench.report.rows import Row
from loops.tensorboard.events import tensorboard_is_there, writing
from loops.tensorboard.pages import BENCH_KIND, BENCH_RATIO, PACE
from loops.tensorboard.rows import STAMP, write_row

HPARAMS = {BENCH_KIND: "kind", "loop": "arm", "device": "device", "batch_size": "batch_size"}
KINDS = ("step", "epoch", "rung")  # what gets a row of HParams: each is a run in TensorBoard's list
NAME = f"{STAMP}-bench"
METRICS = {PACE: "ms_per_step", BENCH_RATIO: "ratio"}


def write_board(rows: Sequence[Row], folder: Path) -> Path | None:
    """Write rows, tables and plots into a new folder of `folder`; None where TensorBoard is missing."""
    if not tensorboard_is_there():
        return None
    board = folder / datetime.now().strftime(NAME)
    with writing(board):
        for row in rows:
            if row["kind"] in KINDS:
                _write_row(row, board)
        _write_pages(rows, board)
    return board


def _write_pages(rows: Sequence[Row], board: Path) -> None:
    with tempfile.TemporaryDirectory() as plots, tf.summary.create_file_writer(str(board)).as_default(step=0):
        tf.summary.text("bench", "\n\n".join(table.as_markdown() for table in all_tables(rows)))
        for path in write_plots(rows, Path(plots)):
            tf.summary.image(path.stem, tf.io.decode_png(path.read_bytes(), channels=3)[tf.newaxis])


def _write_row(row: Row, board: Path) -> None:
    settings = {name: row[key] for name, key in HPARAMS.items()}
    write_row(board, settings, {tag: row[key] for tag, key in METRICS.items()})
