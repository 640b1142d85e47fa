"""The compiled step as the fast loop calls it: variables in, many steps by all threads, variables out."""

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from loops.config import TrainConfig
from loops.data import PIXEL_SCALE, Split
from loops.fast.compiled import build, layout, step
from loops.fast.compiled.layout import Array, zeros
from loops.fast.compiled.packing import SHARED_BY, new_plan
from loops.fast.compiled.pointers import pointers
from loops.fast.compiled.variables import Variables
from loops.metrics import RunningMetrics, Sums

CANNOT_SAVE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def cores() -> int:
    """Threads that this process may use: TensorFlow's setting, else the cores that the system gives it."""
    given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return tf.config.threading.get_intra_op_parallelism_threads() or given


class Runner:
    """Steps of one batch size, drawn from `split`; without `trains`, forward passes with their loss."""

    def __init__(self, split: Split, images: int, *, trains: bool = True) -> None:
        """Make room for the steps.

        Raises:
            ValueError: the images are not uint8 (n, 28, 28, 1), or a label is not uint8 in 0 … 9: nothing
                checks an index later.
        """
        _refuse_other_data(split)
        self._split = split
        self._plan = new_plan(images, 1, 0, trains=trains)
        self._threads = min(cores(), max(self._plan.parts, SHARED_BY))
        self._pool = ThreadPoolExecutor(self._threads)
        self._scratch = [pointers(layout.new_scratch(self._plan.part)) for _ in range(self._threads)]
        self._features = zeros(layout.WINDOWS * self._plan.padded * layout.FILTERS)
        self._deltas = zeros(self._plan.padded * layout.HIDDEN)
        self._gradients = zeros((self._plan.parts, layout.ROOM_FOR_GRADIENTS))
        self._step: Callable[..., None] | None = None

    def _compiled(self, words: Any, rates: Any) -> Callable[..., None]:
        """The step, called once with no step to do by this thread alone.

        Were compiling to fail in one of many threads, the others would wait for it.
        """
        build.finish()
        for _ in range(2):
            try:
                step.compiled()(self._plan, *words, self._scratch[0], rates)
                break
            except OSError as error:  # Numba has compiled before it saves: the next process compiles again
                if error.errno not in CANNOT_SAVE:
                    raise
                break
            except step.DAMAGED:  # what was kept is cut short
                step.forget()
        else:
            step.compiled(kept=False)(self._plan, *words, self._scratch[0], rates)
            return step.compiled(kept=False)
        return step.compiled()

    def run(self, order: Array, parameters: layout.Parameters, adam: layout.Adam) -> tuple[Array, Array]:
        """Do a step for each rate of `adam` on the images that `order`, int64 (steps · batch,), names.

        Returns each step's sums of loss, float64, and of right guesses, int64, both (steps,). `parameters`
        are trained in place.

        Raises:
            ValueError: `order` names an image that is not there.
        """
        count = len(adam.rates)
        if len(order) != count * self._plan.images or not 0 <= order.min() <= order.max() < len(self._split):
            raise ValueError(f"an order of {count} batches of {self._plan.images} images is needed")
        shared = layout.Shared(
            self._features,
            self._deltas,
            self._gradients,
            zeros((count, self._plan.parts), np.float64),
            zeros((count, self._plan.parts), np.int64),
            zeros(step.COUNTERS, np.int64),
        )
        scale = np.float32(PIXEL_SCALE)
        examples = layout.Examples(self._split.images, self._split.labels, order, scale)
        words, rates = [pointers(each) for each in (examples, parameters, shared)], pointers(adam)
        if self._step is None:
            self._step = self._compiled(words, rates)
        shared.counters[:] = 0
        self._share_out(
            self._plan._replace(threads=self._threads, steps=count), words, rates, shared.counters
        )
        return shared.losses.sum(1), shared.hits.sum(1)

    def _share_out(self, plan: layout.Plan, words: Any, rates: Any, counters: Array) -> None:
        """Have all threads do the steps; where one cannot, none waits for it."""

        def work(own: layout.Scratch) -> None:
            assert self._step is not None
            try:
                self._step(plan, *words, own, rates)
            except BaseException:
                counters[step.ABORTED] = 1
                raise

        try:
            for done in [self._pool.submit(work, own) for own in self._scratch]:
                done.result()
        except BaseException:  # a thread that cannot start, or a signal
            counters[step.ABORTED] = 1
            raise


def _refuse_other_data(split: Split) -> None:
    images, labels = split.images, split.labels
    shape = (len(labels), layout.PIXELS, layout.PIXELS, 1)
    if images.shape != shape or {images.dtype, labels.dtype} != {np.dtype(np.uint8)}:
        raise ValueError(f"the compiled step takes uint8 images {shape} with a uint8 label each")
    if labels.max(initial=0) >= layout.CLASSES:
        raise ValueError(f"the compiled step takes labels below {layout.CLASSES}")


def adam_rates(optimizer: tf.keras.optimizers.Adam, count: int) -> layout.Adam:
    """The next `count` steps' rates: lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ) (Kingma and Ba 2015, section 2)."""
    steps = int(optimizer.iterations) + np.arange(1, count + 1)
    rates = np.sqrt(1 - optimizer.beta_2**steps) / (1 - optimizer.beta_1**steps)
    return layout.Adam(
        (float(optimizer.learning_rate) * rates).astype(np.float32),
        np.float32(optimizer.beta_1),
        np.float32(optimizer.beta_2),
        np.float32(optimizer.epsilon),
    )


def make_steps(
    model: tf.keras.Model,
    optimizer: tf.keras.optimizers.Adam,
    running: RunningMetrics,
    split: Split,
    config: TrainConfig,
) -> tuple[Callable[[Any, Any, Any], Sums], Callable[[Any], Sums]]:
    """Two functions as in loops/fast/loop.py: any number of full batches, and the partial last batch."""
    size, rest = config.batch_size, len(split) % config.batch_size
    if config.jit_compile:
        raise ValueError("jit_compile: the compiled step is not XLA's")
    variables = Variables(model, optimizer, running)
    sizes = (size if size <= len(split) else 0, rest)
    full, partial = (Runner(split, images) if images else None for images in sizes)

    def train(runner: Runner | None, images: int, order: Any, steps: int) -> Sums:
        assert runner is not None
        parameters = variables.read()
        losses, hits = runner.run(order, parameters, adam_rates(optimizer, steps))
        return variables.write(parameters, losses, hits, images)

    def run_steps(order: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> Sums:
        start, steps = int(first) * size, int(count)
        return train(full, size, np.asarray(order)[start : start + steps * size], steps)

    def run_rest(order: tf.Tensor) -> Sums:
        return train(partial, rest, np.asarray(order)[-rest:], 1)

    return run_steps, run_rest
