"""A run's folder: made with its config, owned by one process at a time, holding the result."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from loops.errors import UserError
from loops.files import CONFIG, RESULT, FileError, FolderLock, write_json


class RunError(UserError):
    """A run folder that cannot be made."""


class RunFolder:
    """One run's folder, which belongs to this process while the context is open."""

    def __init__(self, path: Path) -> None:
        """Own the folder `path`, which exists.

        Raises:
            FileError: another process owns it.
        """
        self.path = path
        self._lock = FolderLock(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def save(self, result: Mapping[str, Any]) -> None:
        """Save the result.

        Raises:
            FileError: it cannot be written; the message holds it.
        """
        try:
            write_json(self.path / RESULT, result)
        except FileError as error:
            raise FileError(f"{error}\nThe result, so that it is not lost:\n{json.dumps(result)}") from None


def create(runs: Path, settings: Mapping[str, Any]) -> RunFolder:
    """Make a new folder in `runs`, named by time, loop and seed, and save the settings as its config.

    Raises:
        RunError: the folder cannot be made.
        FileError: the config cannot be written.
    """
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    path = _new_folder(runs, f"{stamp}-{settings['loop']}-seed{settings['seed']}")
    write_json(path / CONFIG, settings)
    return RunFolder(path)


def _new_folder(runs: Path, name: str) -> Path:
    """Make `name` in `runs`, or `name-2` and so on where that exists already."""
    for attempt in range(1, 1000):
        path = runs / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(
                f"--runs {runs}: cannot make {path} ({error.strerror}). Choose a folder you may write to."
            ) from None
    raise RunError(f"--runs {runs}: {name} and 999 names after it are taken. Choose another folder.")
