"""Where a run stands that is gone on with: its last intact checkpoint, and what has changed since."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loops.files import CHECKPOINTS
from loops.run import checkpoint
from loops.run.checkpoint import Checkpoint
from loops.run.context import Resumptions
from loops.run.environment import changes, worded
from loops.run.failures import warn


def resumption(folder: Path, environment: Mapping[str, Any]) -> tuple[Checkpoint | None, Resumptions]:
    """The checkpoint to go on from, and the run's resumptions with this one; warns of what has changed."""
    found = checkpoint.latest(folder / CHECKPOINTS, warn)
    if found is None:
        warn(f"{folder}: no checkpoint was made yet; the training starts at its first step.")
        return None, [{"step": 0, "changed": {}}]
    print(f"going on after step {found.position.step}", file=sys.stderr)
    changed = changes(found.environment, environment)
    if changed:
        warn(
            f"the environment has changed since the checkpoint: {worded(changed)}. "
            "Bit-identical is no longer claimed."
        )
    return found, [*found.resumed, {"step": found.position.step, "changed": changed}]
