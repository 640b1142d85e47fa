"""A run folder: config.json, result.json, and TensorBoard scalars under Keras's own tags and steps."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import tensorflow as tf

from loops.config import TrainConfig
from loops.errors import UserError
from loops.history import EpochRecord


class RunError(UserError):
    """A run folder that cannot be made or written."""


class Run:
    """One run's folder, with a writer for `train/` and one for `validation/`."""

    def __init__(self, runs: Path, loop: str, config: TrainConfig, steps_per_epoch: int) -> None:
        """Make a new folder in `runs`, named by time, loop and seed, and save the config.

        Raises:
            RunError: the folder cannot be made.
        """
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        self.folder = _new_folder(runs, f"{stamp}-{loop}-seed{config.seed}")
        self._config = config
        self._steps_per_epoch = steps_per_epoch
        write_json(self.folder / "config.json", {"loop": loop, **asdict(config)})
        self._train = tf.summary.create_file_writer(str(self.folder / "train"))
        self._validation = tf.summary.create_file_writer(str(self.folder / "validation"))

    def log_epoch(self, record: EpochRecord) -> None:
        """Write an epoch's scalars as Keras's TensorBoard callback does.

        Both folders hold epoch_loss and epoch_accuracy over the epoch (from 0); `validation/`
        also holds evaluation_…_vs_iterations over the optimizer's steps.
        """
        train = {name: value for name, value in record.metrics.items() if not name.startswith("val_")}
        with self._train.as_default(step=record.epoch):
            for name, value in train.items():
                tf.summary.scalar(f"epoch_{name}", value)
            tf.summary.scalar("epoch_learning_rate", self._config.learning_rate)
        with self._validation.as_default(step=record.epoch):
            for name in train:
                value = record.metrics[f"val_{name}"]
                iterations = (record.epoch + 1) * self._steps_per_epoch
                tf.summary.scalar(f"epoch_{name}", value)
                tf.summary.scalar(f"evaluation_{name}_vs_iterations", value, step=iterations)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Save the result and close the writers."""
        write_json(self.folder / "result.json", result)
        self._train.close()
        self._validation.close()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write strict JSON (a NaN is an error here, not in whoever reads it)."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written ({error.strerror}); it needs {len(text.encode())} bytes."
        ) from None


def _new_folder(runs: Path, name: str) -> Path:
    """Make `name` in `runs`, or `name-2` and so on where another run was as quick."""
    for attempt in range(1, 1000):
        folder = runs / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(
                f"--runs {runs}: cannot make {folder} ({error.strerror}). Choose a folder you may write to."
            ) from None
    raise RunError(f"--runs {runs}: {name} and 999 names after it are taken. Choose another folder.")
