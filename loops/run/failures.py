"""How a failed training is worded and marked: a loss that is NaN, memory that is short."""

import contextlib
import sys
from collections.abc import Iterator

import tensorflow as tf

from loops.distribute.cluster import ClusterError
from loops.errors import NotFiniteError, UserError
from loops.run.context import Run
from loops.run.folder import RunFolder


class TrainingError(UserError):
    """A training that cannot go on."""


@contextlib.contextmanager
def explained(run: Run) -> Iterator[None]:
    """Turn what a training raises for the user's own settings into one message.

    Raises:
        TrainingError: the loss is NaN or infinite, or the device's memory is not enough.
        ClusterError: a worker is lost; the text says how to go on.
    """
    loop, config = run.training.loop, run.training.config
    try:
        yield
    except ClusterError as error:
        raise ClusterError(f"{error} {go_on(run)}") from None
    except NotFiniteError as error:
        epoch = (error.step - 1) // run.training.steps_per_epoch + 1
        raise TrainingError(
            f"{loop}, seed {config.seed}: {error} (epoch {epoch}). Lower --learning-rate "
            f"({config.learning_rate:g}). {run.folder} is marked as failed; its last checkpoint is from "
            "before."
        ) from None
    except (tf.errors.OpError, MemoryError) as error:
        if not _memory_is_short(error):
            raise
        raise TrainingError(
            f"{loop}: out of memory at --batch-size {config.batch_size}. Try --batch-size "
            f"{max(1, config.batch_size // 2)}."
        ) from None


def go_on(run: Run) -> str:
    """How a run goes on that some of its workers have left."""
    return f"Go on from the run's last checkpoint with: {run.resume_command}"


@contextlib.contextmanager
def marked_as_failed(run: Run, folder: RunFolder) -> Iterator[None]:
    """Save in result.json why a training ended early, then let its error pass."""
    try:
        yield
    except BaseException as error:
        status = "failed" if isinstance(error, Exception) else "interrupted"
        try:
            folder.save({"status": status, **run.facts, "reason": str(error)})
        except UserError as unsaved:  # the failure itself must still be heard
            warn(str(unsaved))
        raise


def warn(text: str) -> None:
    """Print a warning that does not end the run."""
    print(f"warning: {text}", file=sys.stderr)


def _memory_is_short(error: Exception) -> bool:
    """TensorFlow says so by class, but of a full GPU only by text."""
    words = ("out of memory", "OOM", "Dst tensor is not initialized")
    short = isinstance(error, tf.errors.ResourceExhaustedError | MemoryError)
    return short or any(word in str(error) for word in words)
