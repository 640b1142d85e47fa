"""A measurement for TensorBoard: its rows as rows of HParams, and all that was printed as text."""

from datetime import datetime
from pathlib import Path

import tensorflow as tf

from loops.measure.measurement import Measurement, Row
from loops.measure.printing import as_text
from loops.tensorboard.events import tensorboard_is_there, writing
from loops.tensorboard.pages import BENCH_KIND, BENCH_RATIO, PACE
from loops.tensorboard.rows import STAMP, write_row


def write_board(measured: Measurement, folder: Path) -> Path | None:
    """Write a measurement into a new folder of `folder`; None where TensorBoard is missing.

    Raises:
        FileError: it cannot be written.
    """
    if not tensorboard_is_there():
        return None
    name = Path(measured.case).stem
    board = folder / f"{datetime.now().strftime(STAMP)}-measure-{name}"
    with writing(board):
        for row in measured.rows:
            _write_row(measured, row, board)
        with tf.summary.create_file_writer(str(board)).as_default(step=0):
            tf.summary.text("measure", f"```text\n{as_text(measured)}\n```")
    return board


def _write_row(measured: Measurement, row: Row, board: Path) -> None:
    settings = {
        BENCH_KIND: f"{Path(measured.case).stem}, {'with' if row.with_input else 'without'} input",
        "loop": row.arm,
        "device": measured.device,
        "batch_size": measured.batch_size,
    }
    ratio = {BENCH_RATIO: row.ratio.median} if row.ratio else {}
    write_row(board, settings, {PACE: row.ms_per_step, **ratio})
