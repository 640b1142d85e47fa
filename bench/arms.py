"""What is timed: an arm runs K training steps of one loop variant and returns when the device is done."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import tensorflow as tf

from loops import tape
from loops.batches import permutation
from loops.config import TrainConfig
from loops.data import Split
from loops.fast.loop import make_steps
from loops.fast.rungs import Rung
from model import new_model

ENDLESS = 2**31 - 1  # steps in the fit arm's one epoch


@dataclass(frozen=True)
class Variant:
    """A way to train: "fit", "tape", or "eager tape", the step without tf.function.

    `jit_compile` is explicit so that every loop runs the same program.
    """

    loop: str
    jit_compile: bool = False
    steps_per_execution: int = 1

    @property
    def name(self) -> str:
        """The row's name, as in "fit", "fit spe=8", "tape xla"."""
        calls = f" spe={self.steps_per_execution}" if self.steps_per_execution > 1 else ""
        return f"{self.loop}{calls}{' xla' if self.jit_compile else ''}"


class Arm(Protocol):
    """Something that trains in blocks."""

    def run(self, steps: int) -> None:
        """Train `steps` steps and wait for the device."""

    def close(self) -> None:
        """Stop and let go of the model."""


class FunctionArm:
    """An arm that calls one function a step."""

    def __init__(self, step: Callable[[], object]) -> None:
        self._step = step

    def run(self, steps: int) -> None:
        """Call the function `steps` times and wait for the device."""
        for _ in range(steps):
            self._step()
        tf.test.experimental.sync_devices()

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


class FastArm:
    """Steps of the fast loop, all of a block in one call; goes round its own order of images."""

    def __init__(self, rung: Rung, split: Split, batch_size: int) -> None:
        config = TrainConfig(batch_size=batch_size)
        optimizer = tf.keras.optimizers.Adam()
        self._steps, _ = make_steps(new_model(0), optimizer, tape.RunningMetrics(), split, config, rung)
        self._order = permutation(len(split), config.seed, 0)
        self._in_epoch = len(split) // batch_size

    def run(self, steps: int) -> None:
        """Train `steps` steps, in as many calls as epochs they span, and wait for the device."""
        while steps > 0:
            count = min(steps, self._in_epoch)
            self._steps(self._order, tf.constant(0), tf.constant(count))
            steps -= count
        tf.test.experimental.sync_devices()

    def close(self) -> None:
        """Nothing runs between blocks."""


def make_arm(variant: Variant, stream: tf.data.Dataset) -> Arm:
    """An arm with a fresh model on an endless `stream` of (images, one-hot labels)."""
    if variant.loop == "fit":
        return FitArm(variant, stream)
    step = tape.make_train_step(
        new_model(0), tf.keras.optimizers.Adam(), tape.RunningMetrics(), jit_compile=variant.jit_compile
    )
    if variant.loop == "eager tape":
        step = step.python_function
    batches = iter(stream)
    return FunctionArm(lambda: step(*next(batches)))


class FitArm:
    """One long fit() in a thread, held between blocks: each block is fit()'s steady state.

    A call of fit() for each block would charge its start and end (about 10 ms on a 2-core
    machine) to a block of a few steps.
    """

    def __init__(self, variant: Variant, stream: tf.data.Dataset) -> None:
        self._gate = _Gate(variant.steps_per_execution)
        self._model = new_model(0)
        self._model.compile(
            optimizer=tf.keras.optimizers.Adam(),
            loss="categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile=variant.jit_compile,
            steps_per_execution=variant.steps_per_execution,
        )
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._fit, args=(stream,), daemon=True)

    def run(self, steps: int) -> None:
        """Train `steps` steps (a multiple of steps_per_execution) and wait for the device."""
        self._gate.open(steps)
        if not self._thread.ident:
            self._thread.start()
        self._gate.wait_until_shut()
        if self._failure:
            raise self._failure
        tf.test.experimental.sync_devices()

    def close(self) -> None:
        """Let fit() return."""
        self._gate.stop()
        if self._thread.ident:
            self._thread.join()

    def _fit(self, stream: tf.data.Dataset) -> None:
        try:
            self._model.fit(stream, steps_per_epoch=ENDLESS, callbacks=[self._gate], shuffle=False, verbose=0)
        except BaseException as failure:  # handed to the thread that waits
            self._failure = failure
        finally:
            self._gate.shut()


class _Gate(tf.keras.callbacks.Callback):
    """Lets a number of steps through, then holds fit() until opened again."""

    def __init__(self, steps_per_call: int) -> None:
        super().__init__()
        self._steps_per_call = steps_per_call
        self._left = 0
        self._opened, self._shut = threading.Event(), threading.Event()
        self._stopping = False

    def open(self, steps: int) -> None:
        if steps % self._steps_per_call:
            raise ValueError(f"{steps} steps are no multiple of steps_per_execution {self._steps_per_call}")
        self._left = steps
        self._shut.clear()
        self._opened.set()

    def shut(self) -> None:
        self._opened.clear()
        self._shut.set()

    def wait_until_shut(self) -> None:
        self._shut.wait()

    def stop(self) -> None:
        self._stopping = True
        self._opened.set()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._left -= self._steps_per_call
        if self._left <= 0:
            self.shut()
            if not self._stopping:
                self._opened.wait()
            self.model.stop_training = self._stopping
