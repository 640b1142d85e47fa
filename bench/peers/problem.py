"""What all frameworks train: weights, one batch and its loss, and how a file hands them to a process."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from loops.errors import UserError

Array = npt.NDArray[Any]
LEARNING_RATE, BETAS, EPSILON = 0.001, (0.9, 0.999), 1e-7  # Keras's Adam
CHECKED_STEPS = 4
# Of the first loss, which tells the network, and of the others: frameworks place Adam's epsilon differently
TOLERANCES = np.array([1e-5, *[1e-2] * (CHECKED_STEPS - 1)])


class Problem(NamedTuple):
    """`weights` as Keras has them, images float32 (n, 28, 28, 1), labels int64 (n,), the first losses."""

    weights: Sequence[Array]
    images: Array
    labels: Array
    losses: Array

    def save(self, path: Path) -> None:
        """Write it to a file."""
        named: dict[str, Any] = {f"weight{number}": each for number, each in enumerate(self.weights)}
        np.savez(path, **named, images=self.images, labels=self.labels, losses=self.losses)


def load(path: Path) -> Problem:
    """Read what `save` wrote."""
    with np.load(path) as file:
        weights = [file[f"weight{number}"] for number in range(8)]
        return Problem(weights, file["images"], file["labels"], file["losses"])


class PeerArm:
    """A framework's step as an arm: `step` trains one and gives its loss, `wait` waits for the device."""

    def __init__(self, step: Callable[[], Any], wait: Callable[[Any], float], losses: Array) -> None:
        """Train the first steps and hold their losses against the tape's.

        Raises:
            UserError: they differ: it is not the same network, loss and optimizer.
        """
        self._step, self._wait = step, wait
        found = [wait(step()) for _ in losses]
        if not (np.abs(found - losses) <= TOLERANCES).all():
            raise UserError(f"the losses of the first steps are {found}, the tape's are {losses.tolist()}")

    def run(self, steps: int) -> None:
        """Train `steps` steps and wait for them."""
        loss = None
        for _ in range(steps):
            loss = self._step()
        self._wait(loss)
