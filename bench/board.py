"""Measured rows for TensorBoard: each a row of HParams, and the plots as images."""

import re
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import tensorflow as tf

from bench.plots import write_plots
from bench.tables import Row
from loops.events import tensorboard_is_there, writing
from loops.pages import BENCH_HPARAMS, BENCH_METRICS, write_hparams_columns

HPARAMS = (*BENCH_HPARAMS, "device", "batch_size")
METRICS = dict(zip(BENCH_METRICS, ("ms_per_step", "ratio"), strict=True))


def write_board(rows: Sequence[Row], folder: Path) -> Path | None:
    """Write the rows that have a ratio, and all plots, into a new folder of `folder`; None without it."""
    if not tensorboard_is_there():
        return None
    board = folder / datetime.now().strftime("%Y%m%d-%H%M%S")
    with writing(board):
        for row in rows:
            if "ratio" in row:
                _write_row(row, board)
        _write_plots(rows, board)
    return board


def _write_plots(rows: Sequence[Row], board: Path) -> None:
    with tempfile.TemporaryDirectory() as plots, tf.summary.create_file_writer(str(board)).as_default(step=0):
        for path in write_plots(rows, Path(plots)):
            tf.summary.image(path.stem, tf.io.decode_png(path.read_bytes(), channels=3)[tf.newaxis])


def _write_row(row: Row, board: Path) -> None:
    from tensorboard.plugins.hparams import api  # noqa: PLC0415 (needs TensorBoard)

    settings = {name: row[name] for name in HPARAMS}
    name = re.sub(r"[^\w=.-]+", "-", "-".join(map(str, settings.values())))
    with tf.summary.create_file_writer(str(board / name)).as_default(step=0):
        write_hparams_columns()
        api.hparams(settings, trial_id=name)
        for tag, key in METRICS.items():
            tf.summary.scalar(tag, row[key])
