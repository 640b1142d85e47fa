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
from loops.fast.compiled import layout, step
from loops.fast.compiled.layout import Array, zeros
from loops.fast.compiled.primitives import COLUMNS, ROWS
from loops.metrics import RunningMetrics, Sums

LARGEST_PART = 12  # images: what one thread works on stays in its cache
LEAST_PARTS = 4
CANNOT_SAVE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
FLAT = tf.TensorSpec([layout.PARAMETERS], tf.float32)
SIGNATURE = (*(FLAT, FLAT, FLAT), *[tf.TensorSpec([None], tf.float32)] * len(Sums._fields))


def part_size(images: int) -> int:
    """Images a part: whole tiles, and a function of the batch alone, so that sums keep their order."""
    wanted = min(LARGEST_PART, -(-images // LEAST_PARTS))
    return -(-wanted // ROWS) * ROWS


def cores() -> int:
    """Threads that this process may use: TensorFlow's setting, else the cores that the system gives it."""
    given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return tf.config.threading.get_intra_op_parallelism_threads() or given


class Variables:
    """A model's and its Adam's variables and the metrics, read and written by one graph call each.

    Keras's own assign() costs half a millisecond a variable, more than some steps.
    """

    def __init__(
        self, model: tf.keras.Model, optimizer: tf.keras.optimizers.Adam, running: RunningMetrics
    ) -> None:
        if model.count_params() != layout.PARAMETERS:
            raise ValueError(f"the compiled step is written for {layout.PARAMETERS:,} parameters")
        # Adam has no public names for its slots
        self._kinds = model.trainable_variables, optimizer._momentums, optimizer._velocities
        self._optimizer, self._running = optimizer, running

    def read(self) -> layout.Parameters:
        """Copies in flat arrays."""
        flat = []
        for values in self._read():
            flat.append(zeros(layout.PARAMETERS))
            flat[-1][:] = values
        weights, momenta, velocities = flat
        by_filter, transposed = zeros(layout.TAPS * layout.FILTERS), zeros(layout.WINDOWS * layout.BLOCK)
        return layout.Parameters(weights, momenta, velocities, by_filter, transposed)

    def write(self, parameters: layout.Parameters, losses: Array, hits: Array, images: int) -> Sums:
        """Assign what steps of `images` each left; `losses` and `hits` are each step's own, (steps,)."""
        sums = self._running.sums_after(losses, hits, images)
        self._write(*(tf.convert_to_tensor(array) for array in (*parameters[:3], *sums)))
        return sums

    @tf.function
    def _read(self) -> list[tf.Tensor]:
        return [tf.concat([tf.reshape(each, [-1]) for each in kind], 0) for kind in self._kinds]

    @tf.function(input_signature=SIGNATURE)  # one graph for any number of steps
    def _write(
        self,
        weights: tf.Tensor,
        momenta: tf.Tensor,
        velocities: tf.Tensor,
        losses: tf.Tensor,
        hits: tf.Tensor,
        images: tf.Tensor,
    ) -> None:
        for flat, kind in zip((weights, momenta, velocities), self._kinds, strict=True):
            parts = tf.split(flat, [each.shape.num_elements() for each in kind])
            for part, each in zip(parts, kind, strict=True):
                each.assign(tf.reshape(part, each.shape))
        self._optimizer.iterations.assign_add(tf.size(losses))
        self._running.set(losses, hits, images)


class Runner:
    """Steps of one batch size, drawn from `split`."""

    def __init__(self, variables: Variables, split: Split, images: int) -> None:
        self._variables, self._images = variables, images
        self._pixels = _fixed(split.images.reshape(-1, layout.PIXELS, layout.PIXELS))
        self._labels = _fixed(split.labels)
        part = part_size(images)
        self._parts = -(-images // part)
        self._threads = min(cores(), max(self._parts, LEAST_PARTS))
        self._pool = ThreadPoolExecutor(self._threads)
        self._scratch = [layout.new_scratch(part, ROWS * COLUMNS) for _ in range(self._threads)]
        padded = -(-images // ROWS) * ROWS
        self._features = zeros(layout.WINDOWS * padded * layout.FILTERS)
        self._delta = zeros(padded * layout.HIDDEN)
        self._gradients = zeros((self._parts, layout.GRADIENTS))

    def _compile(
        self,
        examples: layout.Examples,
        parameters: layout.Parameters,
        shared: layout.Shared,
        adam: layout.Adam,
    ) -> None:
        """Run no step, by this thread alone: were compiling to fail in one of many, the others would wait."""
        no_steps = adam._replace(rates=adam.rates[:0])
        try:
            step.compiled()(1, self._images, examples, parameters, shared, self._scratch[0], no_steps)
        except OSError as error:  # Numba has compiled before it saves: the next process compiles again
            if error.errno not in CANNOT_SAVE:
                raise
        shared.counters[:] = 0

    def run(self, order: Array, adam: layout.Adam) -> Sums:
        """Train on the images that `order`, int64 (steps · batch,), names; a rate of `adam` a step."""
        count = len(adam.rates)
        parameters = self._variables.read()
        shared = layout.Shared(
            self._features,
            self._delta,
            self._gradients,
            zeros((count, self._parts), np.float64),
            zeros((count, self._parts), np.int64),
            zeros(step.COUNTERS, np.int64),
        )
        examples = layout.Examples(self._pixels, self._labels, _fixed(order), np.float32(PIXEL_SCALE))
        self._compile(examples, parameters, shared, adam)

        def work(own: layout.Scratch) -> None:
            step.compiled()(self._threads, self._images, examples, parameters, shared, own, adam)

        try:
            for done in [self._pool.submit(work, own) for own in self._scratch]:
                done.result()
        except BaseException:  # a thread that cannot start, or a signal: none may wait for it
            shared.counters[step.ABORTED] = 1
            raise
        return self._variables.write(parameters, shared.losses.sum(1), shared.hits.sum(1), self._images)


def _fixed(array: Array) -> Array:
    """A view that cannot be written: Numba compiles anew for arrays that can."""
    view = array.view()
    view.flags.writeable = False
    return view


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
    full, partial = (Runner(variables, split, images) if images else None for images in sizes)

    def run_steps(order: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> Sums:
        assert full is not None
        start, steps = int(first) * size, int(count)
        return full.run(np.asarray(order)[start : start + steps * size], adam_rates(optimizer, steps))

    def run_rest(order: tf.Tensor) -> Sums:
        assert partial is not None
        return partial.run(np.asarray(order)[-rest:], adam_rates(optimizer, 1))

    return run_steps, run_rest
