"""A run folder: config, result, checkpoints and TensorBoard events, owned by one process at a time."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from loops.config import TrainConfig
from loops.errors import UserError
from loops.files import CONFIG, RESULT, FileError, FolderLock, write_json
from loops.tensorboard.events import EventLog


class RunError(UserError):
    """A run folder that cannot be made."""


class Run:
    """One run's folder, locked, with its TensorBoard events."""

    events: EventLog

    def __init__(self, folder: Path) -> None:
        """Own `folder`, which is there.

        Raises:
            FileError: another process owns it.
        """
        self.folder = folder
        self._lock = FolderLock(folder)

    def open_events(self, config: TrainConfig, images: int) -> None:
        """Make the writers; not before it is sure that the run goes on, since they make files."""
        steps = config.steps_per_epoch(images)
        self.events = EventLog(self.folder, config.learning_rate, steps, images)

    def save(self, result: Mapping[str, Any]) -> None:
        """Save the result.

        Raises:
            FileError: it cannot be written; the message holds it.
        """
        try:
            write_json(self.folder / RESULT, result)
        except FileError as error:
            raise FileError(f"{error}\nThe result, so that it is not lost:\n{json.dumps(result)}") from None

    def close(self) -> None:
        """Close the writers and give the folder back."""
        if hasattr(self, "events"):
            self.events.close()
        self._lock.release()


def create(runs: Path, loop: str, config: TrainConfig) -> Run:
    """Make a new folder in `runs`, named by time, loop and seed, and save the config.

    Raises:
        RunError: the folder cannot be made.
        FileError: the config cannot be written.
    """
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = _new_folder(runs, f"{stamp}-{loop}-seed{config.seed}")
    write_json(folder / CONFIG, {"loop": loop, **asdict(config)})
    return Run(folder)


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
