"""Saves a training as it goes, restores it where it was left, and ends it when a signal asks."""

import signal
from collections.abc import Callable

from loops.errors import Stopped
from loops.files import CHECKPOINTS
from loops.history import Live, Position, ignore
from loops.run import checkpoint
from loops.run.checkpoint import Checkpoint, CheckpointError
from loops.run.context import Run
from loops.run.signals import StopRequest


class Saver:
    """Saves checkpoints of one run: every `every` steps, or at each epoch's end, and at the last step."""

    def __init__(
        self,
        run: Run,
        begin_at: Checkpoint | None = None,
        *,
        every: int | None = None,
        stop: StopRequest | None = None,
    ) -> None:
        """`begin_at` is the checkpoint to go on from.

        Raises:
            CheckpointError: it belongs to another training; the message lists what differs.
        """
        if begin_at:
            _refuse_another(begin_at, run)
        self.start = begin_at.position if begin_at else Position()
        self._run, self._begin_at, self._stop = run, begin_at, stop or StopRequest()
        self._live: Live | None = None  # until the loop begins
        self._every, self._last = every or run.training.steps_per_epoch, run.training.steps

    def begin(self, live: Live) -> None:
        """Restore the checkpoint to go on from."""
        self._live = live
        folder = self._run.folder / CHECKPOINTS
        if self._begin_at:
            checkpoint.restore(self._begin_at, live)
            checkpoint.set_aside_later(folder, self.start.step)
        checkpoint.remove_partial(folder)
        self._stop.polite = True

    def next_stop(self, step: int) -> int:
        """The next step that is saved."""
        return (step // self._every + 1) * self._every

    def keep(self, position: Position, before_save: Callable[[], object] = ignore) -> None:
        """Save where it is due, and where a signal asks for the end.

        `before_save` brings to the disk what must not be behind the checkpoint.
        """
        stopping = self._stop.number
        if position.step % self._every == 0 or position.step == self._last or stopping is not None:
            assert self._live
            self._live.check()
            before_save()
            checkpoint.save(self._run.folder / CHECKPOINTS, self._live, position, self._run)
        if stopping is not None:
            name = signal.Signals(stopping).name
            raise Stopped(
                stopping,
                f"stopped by {name} after step {position.step}; go on with: {self._run.resume_command}",
            )


def _refuse_another(found: Checkpoint, run: Run) -> None:
    there, here = found.identity, run.training.identity
    odd = [
        f"{key} is {there.get(key)!r} there, {here.get(key)!r} here"
        for key in sorted({*there, *here})
        if there.get(key) != here.get(key)
    ]
    if odd:
        raise CheckpointError(
            f"{found.folder}: belongs to another training: {'; '.join(odd)}. "
            "Leave these options out, or start a new run."
        )
