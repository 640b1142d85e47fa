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
from loops.fast.compiled.pointers import pointers
from loops.fast.compiled.primitives import COLUMNS, ROWS
from loops.metrics import RunningMetrics, Sums

LARGEST_PART = 12  # images: what one thread works on stays in its cache
SHARED_BY = 4  # threads among which all parts can be shared out without a rest
CANNOT_SAVE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
HIDDEN_SHAPE = (layout.WINDOWS * layout.FILTERS, layout.HIDDEN)
TILED = (layout.WINDOWS, layout.FILTERS, layout.HIDDEN // COLUMNS, COLUMNS)
IN_TILES = (0, 2, 1, 3)  # the hidden kernel's axes as layout.Parameters has them; the way back is the same
FLAT = tf.TensorSpec([layout.PARAMETERS], tf.float32)
SIGNATURE = (*(FLAT, FLAT, FLAT), *[tf.TensorSpec([None], tf.float32)] * len(Sums._fields))


def parts_of(images: int) -> int:
    """Parts of a batch: a function of its size alone, so that sums keep their order on any number of threads.

    Nearly equal parts of whole tiles, as many as few threads can share out evenly.
    """
    tiles = -(-images // ROWS)
    wanted = -(-images // LARGEST_PART)
    return min(-(-wanted // SHARED_BY) * SHARED_BY, tiles)


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
            flat.append(zeros(layout.ROOM))
            flat[-1][: layout.PARAMETERS] = values
        weights, momenta, velocities = flat
        by_filter, transposed = zeros(layout.TAPS * layout.FILTERS), zeros(layout.WINDOWS * layout.BLOCK)
        products = zeros(layout.CORNER_TAPS * layout.CHANNELS * layout.FILTERS)
        by_class = zeros(layout.HIDDEN * layout.CLASSES)
        return layout.Parameters(weights, momenta, velocities, by_filter, products, transposed, by_class)

    def write(self, parameters: layout.Parameters, losses: Array, hits: Array, images: int) -> Sums:
        """Assign what steps of `images` each left; `losses` and `hits` are each step's own, (steps,)."""
        sums = self._running.sums_after(losses, hits, images)
        flat = [array[: layout.PARAMETERS] for array in parameters[:3]]
        self._write(*(tf.convert_to_tensor(array) for array in (*flat, *sums)))
        return sums

    @tf.function
    def _read(self) -> list[tf.Tensor]:
        return [tf.concat([_flat(each) for each in kind], 0) for kind in self._kinds]

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
                each.assign(_shaped(part, each.shape))
        self._optimizer.iterations.assign_add(tf.size(losses))
        self._running.set(losses, hits, images)


def _flat(variable: tf.Variable) -> tf.Tensor:
    """A variable's values in the order in which they lie in a flat array."""
    if variable.shape == HIDDEN_SHAPE:
        return tf.reshape(tf.transpose(tf.reshape(variable, TILED), IN_TILES), [-1])
    return tf.reshape(variable, [-1])


def _shaped(flat: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """The same back."""
    if shape == HIDDEN_SHAPE:
        return tf.reshape(tf.transpose(tf.reshape(flat, [TILED[axis] for axis in IN_TILES]), IN_TILES), shape)
    return tf.reshape(flat, shape)


class Runner:
    """Steps of one batch size, drawn from `split`."""

    def __init__(self, variables: Variables, split: Split, images: int) -> None:
        self._variables, self._images = variables, images
        self._pixels, self._labels = split.images, split.labels
        self._parts = parts_of(images)
        self._part = -(-images // (ROWS * self._parts)) * ROWS
        self._threads = min(cores(), max(self._parts, SHARED_BY))
        self._pool = ThreadPoolExecutor(self._threads)
        self._pointers = [pointers(layout.new_scratch(self._part)) for _ in range(self._threads)]
        self._padded = padded = -(-images // ROWS) * ROWS
        self._features = zeros(layout.WINDOWS * padded * layout.FILTERS)
        self._deltas = zeros(padded * layout.HIDDEN)
        self._gradients = zeros((self._parts, layout.ROOM_FOR_GRADIENTS))

    def _compile(self, words: Any, rates: Any) -> None:
        """Run no step, by this thread alone: were compiling to fail in one of many, the others would wait."""
        try:
            step.compiled()(self._plan(1, 0), *words, self._pointers[0], rates)
        except OSError as error:  # Numba has compiled before it saves: the next process compiles again
            if error.errno not in CANNOT_SAVE:
                raise

    def _plan(self, threads: int, steps: int) -> layout.Plan:
        return layout.Plan(threads, steps, self._images, self._padded, self._parts, self._part)

    def run(self, order: Array, adam: layout.Adam) -> Sums:
        """Train on the images that `order`, int64 (steps · batch,), names; a rate of `adam` a step."""
        count = len(adam.rates)
        parameters = self._variables.read()
        shared = layout.Shared(
            self._features,
            self._deltas,
            self._gradients,
            zeros((count, self._parts), np.float64),
            zeros((count, self._parts), np.int64),
            zeros(step.COUNTERS, np.int64),
        )
        examples = layout.Examples(self._pixels, self._labels, order, np.float32(PIXEL_SCALE))
        words = [pointers(each) for each in (examples, parameters, shared)]
        rates = pointers(adam)
        self._compile(words, rates)
        shared.counters[:] = 0

        def work(own: layout.Scratch) -> None:
            step.compiled()(self._plan(self._threads, count), *words, own, rates)

        try:
            for done in [self._pool.submit(work, own) for own in self._pointers]:
                done.result()
        except BaseException:  # a thread that cannot start, or a signal: none may wait for it
            shared.counters[step.ABORTED] = 1
            raise
        return self._variables.write(parameters, shared.losses.sum(1), shared.hits.sum(1), self._images)


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
