"""Files that are there whole or not at all, and folders that belong to one process."""

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loops.errors import UserError

CONFIG, RESULT, LOCK, CHECKPOINTS = "config.json", "result.json", "lock", "checkpoints"  # in a run's folder


class FileError(UserError):
    """A file or folder that cannot be made, written or owned."""


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write strict JSON (a NaN is an error here, not in whoever reads it), in place of an older file whole.

    Raises:
        FileError: it cannot be written; an older file is still what it was.
    """
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_whole(path, text.encode())


def read_json(path: Path) -> Mapping[str, Any]:
    """The object in a JSON file; an empty one where there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_whole(path: Path, content: bytes) -> None:
    """Write to a temporary file, to the disk, and only then under its name.

    Raises:
        FileError: it cannot be written; the message says how many bytes it needs.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise FileError(
            f"{path}: cannot be written ({error.strerror}); it needs {len(content)} bytes. Make room."
        ) from None


def sync(path: Path) -> None:
    """Bring a file's contents, or a folder's entries as a rename in it needs, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FolderLock:
    """Makes a folder this process's own until released or until the process ends, however it ends (flock)."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            FileError: another process has it; the message names its PID.
        """
        try:
            self._file = (folder / LOCK).open("a+", encoding="ascii")
            self._take(folder)
        except OSError as error:
            raise FileError(
                f"{folder}: cannot be locked ({error.strerror}). Make room or choose a folder of your own."
            ) from None

    def _take(self, folder: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            owner = self._file.read().strip() or "?"
            self._file.close()
            raise FileError(
                f"{folder}: belongs to process {owner}, which is still at work there. Wait for it or stop it."
            ) from None
        self._file.seek(0)
        self._file.truncate()
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Give the folder back."""
        self._file.close()
