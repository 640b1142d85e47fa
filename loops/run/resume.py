"""Which run to go on with, and its settings, which the command line may repeat but not change."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loops.config import TrainConfig
from loops.errors import UserError
from loops.files import CONFIG, RESULT, read_json
from loops.run.context import resume_command


class ResumeError(UserError):
    """A run that is not there, cannot be read, or has other settings than the command line."""


def find(runs: Path, name: str) -> Path:
    """The folder of the run `name`, or `runs/name`: one that lies in `runs`, nowhere else.

    Raises:
        ResumeError: there is no such run in `runs`.
    """
    wanted = Path(name)
    folder = wanted if len(wanted.parts) > 1 else runs / wanted
    inside = folder.resolve().parent == runs.resolve()
    if not inside and (folder / CONFIG).is_file():
        raise ResumeError(
            f"--resume {name}: this run lies in another folder than {runs}: add --runs {folder.parent}."
        )
    if not inside or not (folder / CONFIG).is_file():
        raise ResumeError(
            f"--resume {name}: no run of that name in {runs} (--runs names another folder). "
            f"`ls {runs}` shows the runs."
        )
    return folder


def settings_of(folder: Path, loop: str, given: Mapping[str, Any]) -> tuple[tuple[str], TrainConfig]:
    """The loop and the config of a run, to be gone on with by `loop` ("tape" goes on with "fast" too).

    Raises:
        ResumeError: config.json is unreadable, or the command line says otherwise.
    """
    own_loop, config = _read_config(folder)
    odd = [
        f"{name} is {getattr(config, name)} there, {value} on the command line"
        for name, value in given.items()
        if getattr(config, name) != value
    ]
    if own_loop != loop and (own_loop, loop) != ("fast", "tape"):
        raise ResumeError(
            f"--resume {folder.name}: this is a run of {own_loop}: {resume_command(folder, own_loop)}"
        )
    if odd:
        what = "; ".join(odd)
        raise ResumeError(
            f"--resume {folder.name}: {what}. A run's settings are fixed: leave these out or start anew."
        )
    return (own_loop,), config


def is_done(folder: Path) -> bool:
    """Whether the run has its final result."""
    return read_result(folder).get("status") == "done"


def _read_config(folder: Path) -> tuple[str, TrainConfig]:
    path = folder / CONFIG
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        return settings.pop("loop"), TrainConfig(**settings)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ResumeError(
            f"{path}: unreadable ({error}). This run cannot be resumed; start a new one."
        ) from None


def read_result(folder: Path) -> Mapping[str, Any]:
    """What result.json says; nothing where there is none that can be read."""
    return read_json(folder / RESULT)
