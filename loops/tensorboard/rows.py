"""Measured rows for TensorBoard: each is a row of HParams with its figures."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from loops.tensorboard.pages import write_hparams_columns

# TensorBoard's table of runs is sorted by the number that a name begins with; names without one come first.
# These 14 digits are a larger number than the 8 of a training's date: figures come after all trainings.
STAMP = "%Y%m%d%H%M%S"


def write_row(board: Path, settings: Mapping[str, Any], figures: Mapping[str, float]) -> None:
    """Write a row's settings and its figures by their tags, into a folder of its own within `board`."""
    from tensorboard.plugins.hparams import api  # noqa: PLC0415 (needs TensorBoard)

    name = re.sub(r"[^\w=.-]+", "-", "-".join(map(str, settings.values())))
    with tf.summary.create_file_writer(str(board / name)).as_default(step=0):
        write_hparams_columns()
        api.hparams(dict(settings), trial_id=name)
        for tag, value in figures.items():
            tf.summary.scalar(tag, value)
