"""What is timed: an arm runs K training steps of one way to train and returns when the device is done."""

import contextlib
import time
from collections.abc import Callable
from typing import Protocol

import tensorflow as tf


class Arm(Protocol):
    """Something that trains in blocks."""

    def run(self, steps: int) -> None:
        """Train `steps` steps and wait for the device."""

    def close(self) -> None:
        """Stop and let go of the model."""


def wait_for_device() -> None:
    """Wait until this process's device is done; a worker of a cluster has waited for all in its step."""
    with contextlib.suppress(tf.errors.InternalError):  # what TensorFlow raises in a cluster
        tf.test.experimental.sync_devices()


class FunctionArm:
    """An arm that calls one function a step."""

    def __init__(self, step: Callable[[], object]) -> None:
        self._step = step

    def run(self, steps: int) -> None:
        """Call the function `steps` times and wait for the device."""
        for _ in range(steps):
            self._step()
        wait_for_device()

    def close(self) -> None:
        """Nothing runs between blocks."""


class DelayedArm:
    """Another arm with a planted delay, to see whether the clock shows it."""

    def __init__(self, arm: Arm, seconds_per_step: float) -> None:
        self._arm, self._seconds_per_step = arm, seconds_per_step

    def run(self, steps: int) -> None:
        """Train `steps` steps, wait for the device, then sleep."""
        self._arm.run(steps)
        time.sleep(steps * self._seconds_per_step)

    def close(self) -> None:
        """Close the other arm."""
        self._arm.close()
