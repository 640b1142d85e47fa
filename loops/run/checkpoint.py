"""A training's state on disk: written whole or not at all, verified by hash, the last two kept.

A checkpoint is a folder `step-…` with TensorFlow's own checkpoint files of all variables, a manifest (where
the training stood, whose state it is, SHA-256 of each file and of the state) and the manifest's SHA-256.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from loops.errors import NotFiniteError, UserError
from loops.files import sync
from loops.history import EpochRecord, Live, Position
from loops.parity.differences import sha256_of_arrays
from loops.run import variables
from loops.run.context import Resumptions, Run

FORMAT = 1
KEPT = 2
TENSORS = "state"
MANIFEST = "manifest.json"
SEAL = "manifest.json.sha256"
PREFIX, PARTIAL = "step-", ".partial-"


class CheckpointError(UserError):
    """A checkpoint that cannot be written, or is damaged, or belongs to another training."""


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint: where it lies, where its training stood, and what its state belongs to."""

    folder: Path
    position: Position
    identity: Mapping[str, Any]
    environment: Mapping[str, Any]
    variables: list[list[Any]]
    state_sha256: str
    resumed: Resumptions = ()


def save(folder: Path, live: Live, position: Position, run: Run) -> Path:
    """Write a checkpoint into `folder` and drop all but the last KEPT.

    A new folder is written, brought to the disk and renamed, so that a kill at any moment leaves
    the older ones and at most a partial one, which the next call removes.

    Raises:
        CheckpointError: it cannot be written; nothing partial is left.
        NotFiniteError: a variable is NaN or infinite, and so will be the next step's loss.
    """
    if not all(np.isfinite(array).all() for array in variables.arrays(live)):
        raise NotFiniteError(position.step + 1)
    remove_partial(folder)
    final = folder / f"{PREFIX}{position.step:010}"
    partial = folder / f"{PARTIAL}{final.name}"
    needed = sum(array.nbytes for array in variables.arrays(live))
    try:
        partial.mkdir(parents=True)
        variables.tensors(live).write(str(partial / TENSORS))
        manifest = json.dumps(
            {
                "format": FORMAT,
                "position": asdict(position),
                "identity": run.training.identity,
                "environment": run.environment,
                "resumed": run.resumed,
                "variables": variables.specs(live),
                "state_sha256": sha256_of_arrays(variables.arrays(live)),
                "files": {path.name: _sha256(path) for path in sorted(partial.iterdir())},
            },
            indent=1,
            allow_nan=False,
        ).encode()
        (partial / MANIFEST).write_bytes(manifest)
        (partial / SEAL).write_text(_seal(manifest), encoding="ascii")
        for path in partial.iterdir():
            sync(path)
        sync(partial)
        if final.exists():  # this very step was saved before a crash that lost what came after
            shutil.rmtree(final)
        partial.rename(final)
        sync(folder)
    except (OSError, tf.errors.OpError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise CheckpointError(
            f"{final}: the checkpoint of step {position.step} cannot be written ({reason}); it needs about "
            f"{needed} bytes. Make room, then go on with --resume {folder.parent.name}."
        ) from None
    keep_last(folder, KEPT)
    return final


def keep_last(folder: Path, count: int) -> None:
    """Remove all but the last checkpoints, by step."""
    for old in sorted(folder.glob(f"{PREFIX}*"))[:-count]:
        shutil.rmtree(old, ignore_errors=True)


def set_aside_later(folder: Path, step: int) -> None:
    """Rename what lies beyond `step` and was passed over as damaged, so that it is none of those kept."""
    for path in folder.glob(f"{PREFIX}*"):
        if path.name > f"{PREFIX}{step:010}":
            path.rename(path.with_name(f"damaged-{path.name}"))


def remove_partial(folder: Path) -> None:
    """Remove what a killed save has left."""
    for path in folder.glob(f"{PARTIAL}*"):
        shutil.rmtree(path, ignore_errors=True)


def latest(folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The checkpoint of the highest step whose every byte is what was written; None where none was made.

    `warn` is told of each damaged one that is passed over.

    Raises:
        CheckpointError: there are checkpoints, and all are damaged.
    """
    found = sorted(folder.glob(f"{PREFIX}*"), reverse=True)
    for path in found:
        try:
            return verify(path)
        except CheckpointError as damage:
            warn(f"{damage} Passed over.")
    if found:
        raise CheckpointError(
            f"{folder}: no checkpoint is intact ({', '.join(path.name for path in found)}). Nothing was "
            "trained or changed; start a new run."
        )
    return None


def verify(folder: Path) -> Checkpoint:
    """Read a checkpoint's manifest and check all its files against it.

    Raises:
        CheckpointError: a file is missing, extra, unreadable, or differs by a bit.
    """
    try:
        raw = (folder / MANIFEST).read_bytes()
        if (folder / SEAL).read_text(encoding="ascii") != _seal(raw):
            raise CheckpointError(f"{folder}: {MANIFEST} does not match its hash.")
        manifest = json.loads(raw)
        names = {path.name for path in folder.iterdir()} - {MANIFEST, SEAL}
        if manifest["format"] != FORMAT or names != manifest["files"].keys():
            raise CheckpointError(f"{folder}: holds other files or another format than its manifest says.")
        for name, expected in manifest["files"].items():
            actual = _sha256(folder / name)
            if actual != expected:
                raise CheckpointError(
                    f"{folder / name}: damaged; expected SHA-256 {expected}, actual {actual}."
                )
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}: unreadable ({error}).") from None
    position = manifest["position"]
    records = tuple(EpochRecord(**record) for record in position["epochs"])
    return Checkpoint(
        folder,
        Position(position["step"], records, position["seconds"]),
        manifest["identity"],
        manifest["environment"],
        manifest["variables"],
        manifest["state_sha256"],
        manifest["resumed"],
    )


def restore(checkpoint: Checkpoint, live: Live) -> None:
    """Put a checkpoint's values into the variables of a training.

    Raises:
        CheckpointError: the training has other variables, or the values are not those that were saved.
    """
    here = variables.specs(live)
    if here != checkpoint.variables:
        there = {tuple(map(str, variable)) for variable in checkpoint.variables}
        ours = {tuple(map(str, variable)) for variable in here}
        odd = sorted(" ".join(variable) for variable in there ^ ours)
        what = "; ".join(odd) or "the same ones in another order"
        raise CheckpointError(f"{checkpoint.folder}: other variables than this training's: {what}.")
    variables.tensors(live).read(str(checkpoint.folder / TENSORS)).assert_consumed()
    if sha256_of_arrays(variables.arrays(live)) != checkpoint.state_sha256:
        raise CheckpointError(f"{checkpoint.folder}: the values read are not those that were saved.")


def _seal(manifest: bytes) -> str:
    """What `sha256sum manifest.json` prints."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
