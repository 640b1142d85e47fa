"""fit() as an arm: one long call of it in a thread, held between the blocks that are timed."""

import threading
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

ENDLESS = 2**31 - 1  # steps in its one epoch


class FitArm:
    """One long fit() in a thread, held between blocks: each block is fit()'s steady state.

    A call of fit() for each block would charge its start and end (about 10 ms on a 2-core
    machine) to a block of a few steps.
    """

    def __init__(
        self,
        model: tf.keras.Model,
        stream: Any,
        steps_per_execution: int = 1,
        fit_args: Mapping[str, Any] | None = None,
    ) -> None:
        """Hold fit() of a compiled `model` on an endless `stream` ready; `fit_args` are further arguments."""
        self._gate = _Gate(steps_per_execution)
        self._model, self._fit_args = model, dict(fit_args or {})
        self._callbacks = [*(self._fit_args.pop("callbacks", None) or []), self._gate]
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

    def _fit(self, stream: Any) -> None:
        try:
            self._model.fit(
                stream,
                steps_per_epoch=ENDLESS,
                callbacks=self._callbacks,
                shuffle=False,
                verbose=0,
                **self._fit_args,
            )
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
