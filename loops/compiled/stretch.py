"""The compiled step as the fast loop calls it: variables in, many steps by all threads, variables out."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from loops.compiled import layout, step
from loops.compiled.layout import Array, zeros
from loops.compiled.primitives import COLUMNS, ROWS
from loops.config import TrainConfig
from loops.data import PIXEL_SCALE, Split
from loops.tape import RunningMetrics

LARGEST_PART = 12  # images: what one thread works on stays in its cache
LEAST_PARTS = 4
Run = Callable[..., int]


def part_size(images: int) -> int:
    """Images a part: whole tiles, and a function of the batch alone, so that sums keep their order."""
    wanted = min(LARGEST_PART, -(-images // LEAST_PARTS))
    return -(-wanted // ROWS) * ROWS


def cores() -> int:
    """Threads that this process may use: TensorFlow's setting, else the cores that the system gives it."""
    given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return tf.config.threading.get_intra_op_parallelism_threads() or given


class Stretch:
    """Steps of one batch size on one model and its Adam.

    The variables are TensorFlow's: they are read before the first step of a call and assigned after the last.
    """

    def __init__(
        self,
        model: tf.keras.Model,
        optimizer: tf.keras.optimizers.Adam,
        running: RunningMetrics,
        split: Split,
        images: int,
    ) -> None:
        if model.count_params() != layout.PARAMETERS:
            raise ValueError(f"the compiled step is written for {layout.PARAMETERS:,} parameters")
        self._variables = model.trainable_variables
        self._optimizer, self._running, self._images = optimizer, running, images
        self._pixels, self._labels = split.images.reshape(-1, layout.PIXELS, layout.PIXELS), split.labels
        part = part_size(images)
        self._parts = -(-images // part)
        self._threads = min(cores(), max(self._parts, LEAST_PARTS))
        self._others = ThreadPoolExecutor(max(1, self._threads - 1))
        self._scratch = [layout.new_scratch(part, ROWS * COLUMNS) for _ in range(self._threads)]
        padded = -(-images // ROWS) * ROWS
        self._features = zeros(layout.WINDOWS * padded * layout.FILTERS)
        self._delta = zeros(padded * layout.HIDDEN)
        self._gradients = zeros((self._parts, layout.GRADIENTS))

    def run(self, order: Array) -> None:
        """Train on the images that `order`, int64 (steps · batch,), names, and add to the metrics."""
        count = len(order) // self._images
        parameters = self._read()
        shared = layout.Shared(
            self._features,
            self._delta,
            self._gradients,
            zeros((count, self._parts), np.float64),
            zeros((count, self._parts), np.int64),
            zeros(step.COUNTERS, np.int64),
        )
        examples = layout.Examples(self._pixels, self._labels, order, np.float32(PIXEL_SCALE))
        adam = _adam(self._optimizer, count)
        run = step.compiled()

        def work(own: layout.Scratch) -> None:
            run(self._threads, self._images, examples, parameters, shared, own, adam)

        others = [self._others.submit(work, own) for own in self._scratch[1:]]
        work(self._scratch[0])
        for other in others:
            other.result()
        self._write(parameters, count)
        self._running.add_sums(shared.losses.sum(1), shared.hits.sum(1), self._images)

    def _slots(self) -> tuple[Sequence[Any], ...]:
        # Adam has no public names for its slots
        return self._variables, self._optimizer._momentums, self._optimizer._velocities

    def _read(self) -> layout.Parameters:
        weights, momenta, velocities = (_flat(variables) for variables in self._slots())
        return layout.Parameters(
            weights,
            momenta,
            velocities,
            by_filter=zeros(layout.TAPS * layout.FILTERS),
            transposed=zeros(layout.WINDOWS * layout.BLOCK),
        )

    def _write(self, parameters: layout.Parameters, count: int) -> None:
        for array, variables in zip(parameters, self._slots(), strict=False):
            start = 0
            for variable in variables:
                size = int(np.prod(variable.shape))
                variable.assign(array[start : start + size].reshape(variable.shape))
                start += size
        self._optimizer.iterations.assign_add(count)


def _flat(variables: Sequence[Any]) -> Array:
    flat = zeros(layout.PARAMETERS)
    np.concatenate([np.ravel(variable) for variable in variables], out=flat)
    return flat


def _adam(optimizer: tf.keras.optimizers.Adam, count: int) -> layout.Adam:
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
) -> tuple[Callable[[Any, Any, Any], None], Callable[[Any], None]]:
    """Two functions as in loops/fast.py: any number of full batches, and the partial last batch."""
    size, rest = config.batch_size, len(split) % config.batch_size
    full, partial = (
        Stretch(model, optimizer, running, split, images) if images else None
        for images in (min(size, len(split)), rest)
    )

    def run_steps(order: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> None:
        assert full is not None
        start = int(first) * size
        full.run(np.asarray(order)[start : start + int(count) * size])

    def run_rest(order: tf.Tensor) -> None:
        assert partial is not None
        partial.run(np.asarray(order)[-rest:])

    return run_steps, run_rest
