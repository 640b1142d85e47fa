"""Saves a training as it goes, restores it where it was left, and ends it when a signal asks."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loops.errors import Stopped
from loops.history import Keeper, Live, Position
from loops.run import checkpoint
from loops.run.checkpoint import CheckpointError, Identity, Resumptions, Saved
from loops.run.resume import command
from loops.run.signals import StopRequest

FOLDER = "checkpoints"  # in a run's folder


class Saver(Keeper):
    """Keeps checkpoints of one run: every `every` steps, or at each epoch's end, and at the last step."""

    def __init__(
        self,
        run: Path,
        identity: Identity,
        environment: Mapping[str, Any],
        *,
        steps_per_epoch: int,
        epochs: int,
        every: int | None = None,
        saved: Saved | None = None,
        stop: StopRequest | None = None,
        resumed: Resumptions = (),
    ) -> None:
        """`saved` is the checkpoint to go on from.

        Raises:
            CheckpointError: it belongs to another training; the message lists what differs.
        """
        if saved:
            _refuse_another(saved, identity)
        self.start = saved.position if saved else Position()
        self._run, self._identity, self._environment = run, identity, environment
        self._every, self._last = every or steps_per_epoch, epochs * steps_per_epoch
        self._resumed = resumed
        self._saved, self._stop = saved, stop or StopRequest()

    def begin(self, live: Live) -> None:
        """Restore what was saved."""
        self._live = live
        if self._saved:
            checkpoint.restore(self._saved, live)
            checkpoint.set_aside_later(self._run / FOLDER, self.start.step)
        checkpoint.remove_partial(self._run / FOLDER)
        self._stop.polite = True

    def next_stop(self, step: int) -> int:
        """The next step that is saved."""
        return (step // self._every + 1) * self._every

    def keep(self, position: Position) -> None:
        """Save where it is due, and where a signal asks for the end."""
        stopping = self._stop.number
        if position.step % self._every == 0 or position.step == self._last or stopping is not None:
            self._live.check()
            kept = self._live, position, self._identity, self._environment, self._resumed
            checkpoint.save(self._run / FOLDER, *kept)
        if stopping is not None:
            name = signal.Signals(stopping).name
            raise Stopped(
                stopping,
                f"stopped by {name} after step {position.step}; go on with: "
                f"{command(self._run, self._identity['loop'])}",
            )


def _refuse_another(saved: Saved, identity: Identity) -> None:
    keys = sorted({*saved.identity, *identity})
    odd = [
        f"{key} is {saved.identity.get(key)!r} there, {identity.get(key)!r} here"
        for key in keys
        if saved.identity.get(key) != identity.get(key)
    ]
    if odd:
        raise CheckpointError(
            f"{saved.folder}: belongs to another training: {'; '.join(odd)}. "
            "Leave these options out, or start a new run."
        )
