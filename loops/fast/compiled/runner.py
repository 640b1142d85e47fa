"""The compiled step as the fast loop calls it: variables in, many steps by all threads, variables out."""

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from loops.config import TrainConfig
from loops.data import PIXEL_SCALE, Split
from loops.fast.compiled import build, layout, step
from loops.fast.compiled.layout import Array, zeros
from loops.fast.compiled.pointers import pointers
from loops.fast.compiled.primitives import COLUMNS, ROWS
from loops.metrics import RunningMetrics, Sums

VALIDATION_BATCH = 500
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
        return _parameters(*([np.asarray(each) for each in kind] for kind in self._kinds))

    def write(self, parameters: layout.Parameters, losses: Array, hits: Array, images: int) -> Sums:
        """Assign what steps of `images` each left; `losses` and `hits` are each step's own, (steps,)."""
        sums = self._running.sums_after(losses, hits, images)
        flat = [array[: layout.PARAMETERS] for array in parameters[:3]]
        self._write(*(tf.convert_to_tensor(array) for array in (*flat, *sums)))
        return sums

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


def _parameters(*kinds: Sequence[Array]) -> layout.Parameters:
    """Weights and Adam's slots, or weights alone, in flat arrays, and room for copies of kernels."""
    found = layout.new_parameters()
    for array, kind in zip(found[:3], kinds, strict=False):
        np.concatenate([_flat(each) for each in kind], out=array[: layout.PARAMETERS])
    return found


def _flat(variable: Array) -> Array:
    """A variable's values in the order in which they lie in a flat array."""
    return (
        variable.reshape(TILED).transpose(IN_TILES) if variable.shape == HIDDEN_SHAPE else variable
    ).ravel()


def _shaped(flat: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """The same back."""
    if shape == HIDDEN_SHAPE:
        return tf.reshape(tf.transpose(tf.reshape(flat, [TILED[axis] for axis in IN_TILES]), IN_TILES), shape)
    return tf.reshape(flat, shape)


class Runner:
    """Steps of one batch size, drawn from `split`; without `trains`, forward passes with their loss."""

    def __init__(self, split: Split, images: int, *, trains: bool = True) -> None:
        self._trains, self._images = trains, images
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
        build.finish()
        try:
            step.compiled()(self._plan(1, 0), *words, self._pointers[0], rates)
        except OSError as error:  # Numba has compiled before it saves: the next process compiles again
            if error.errno not in CANNOT_SAVE:
                raise

    def _plan(self, threads: int, steps: int) -> layout.Plan:
        return layout.Plan(self._trains, threads, steps, self._images, self._padded, self._parts, self._part)

    def run(self, order: Array, parameters: layout.Parameters, adam: layout.Adam) -> tuple[Array, Array]:
        """Do a step for each rate of `adam` on the images that `order`, int64 (steps · batch,), names.

        Returns each step's sums of loss, float64, and of right guesses, int64, both (steps,). `parameters`
        are trained in place.
        """
        count = len(adam.rates)
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
        return shared.losses.sum(1), shared.hits.sum(1)


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


def make_validation(
    model: tf.keras.Model, running: RunningMetrics, split: Split
) -> Callable[[], Mapping[str, float]]:
    """A function that gives val_loss and val_accuracy on all of `split`; `running` ends holding them."""
    size = min(VALIDATION_BATCH, len(split))
    rest = len(split) % size
    runners = [(Runner(split, each, trains=False), each) for each in (size, rest) if each]
    order = np.arange(len(split))

    def validate() -> Mapping[str, float]:
        parameters = _parameters([np.asarray(each) for each in model.trainable_variables])
        loss, hits, start = 0.0, 0, 0
        for runner, images in runners:
            steps = (len(split) - start) // images
            found = runner.run(order[start : start + steps * images], parameters, _no_rates(steps))
            loss, hits, start = loss + found[0].sum(), hits + int(found[1].sum()), start + steps * images
        running.set(*(tf.constant([each], tf.float32) for each in (loss, hits, len(split))))
        return {f"val_{name}": value for name, value in running.values().items()}

    return validate


def _no_rates(steps: int) -> layout.Adam:
    """What a forward pass has in place of an optimizer's numbers."""
    return layout.Adam(np.zeros(steps, np.float32), *[np.float32(0)] * 3)
