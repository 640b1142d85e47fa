"""What each thread runs: many steps, sharing out the parts of a batch and the blocks of the update."""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numba.core.registry import cpu_target

from loops.fast.compiled.convolutions import first_backward, first_forward, second_backward, second_forward
from loops.fast.compiled.dense import classify, hidden_backward, hidden_forward, hidden_kernel_gradient
from loops.fast.compiled.layout import (
    BLOCK,
    CONV2_BIAS,
    CONV2_KERNEL,
    FILTERS,
    GRADIENTS,
    HIDDEN,
    HIDDEN_BIAS,
    HIDDEN_KERNEL,
    PIXELS,
    TAIL,
    TAPS,
    WINDOWS,
)
from loops.fast.compiled.primitives import (
    COLUMNS,
    OPTIONS,
    ROWS,
    flush_denormals,
    kernel,
    meet,
    set_control,
    take_number,
)

TICKETS, ARRIVALS, ABORTED, COUNTERS = 0, 8, 16, 24  # a cache line of int64 each


@kernel
def _adam(parameters: Any, at: int, gradients: Any, first: int, count: int, adam: Any, rate: Any) -> None:
    """Adam on parameters[at : at + count], epsilon outside the bias correction, as in Keras.

    Kingma and Ba 2015, section 2, "epsilon hat".
    """
    weights, momenta = parameters.weights[at : at + count], parameters.momenta[at : at + count]
    velocities, gradient = parameters.velocities[at : at + count], gradients[first : first + count]
    one1, one2 = np.float32(1) - adam.beta1, np.float32(1) - adam.beta2
    for n in range(count):
        momentum = momenta[n] + (gradient[n] - momenta[n]) * one1
        velocity = velocities[n] + (gradient[n] * gradient[n] - velocities[n]) * one2
        momenta[n], velocities[n] = momentum, velocity
        weights[n] -= momentum * rate / (np.sqrt(velocity) + adam.epsilon)


@kernel
def _lay_out_block(parameters: Any, window: int) -> None:
    """Bring `transposed` up to date for one window."""
    start, weights = window * BLOCK, parameters.weights[HIDDEN_KERNEL:]
    for h in range(HIDDEN):
        for f in range(FILTERS):
            place = start + f // COLUMNS * HIDDEN * COLUMNS + h * COLUMNS + f % COLUMNS
            parameters.transposed[place] = weights[start + f * HIDDEN + h]


@kernel
def _lay_out_filters(parameters: Any) -> None:
    """Bring `by_filter` up to date."""
    for tap in range(TAPS):
        for f in range(FILTERS):
            parameters.by_filter[f * TAPS + tap] = parameters.weights[CONV2_KERNEL + tap * FILTERS + f]


@kernel
def _lay_out(parameters: Any) -> None:
    """Fill `by_filter` and `transposed`."""
    _lay_out_filters(parameters)
    for window in range(WINDOWS):
        _lay_out_block(parameters, window)


@kernel
def _gather(examples: Any, indices: Any, own: Any, labels: Any) -> None:
    """Images as float32 in [0, 1] and labels."""
    for n in range(len(indices)):
        pixels = examples.images[indices[n]]
        labels[n] = examples.labels[indices[n]]
        for y in range(PIXELS):
            for x in range(PIXELS):
                own.images[n, y, x] = np.float32(pixels[y, x]) * examples.scale


@kernel
def _train_part(
    indices: Any, number: int, start: int, images: int, examples: Any, parameters: Any, shared: Any, own: Any
) -> Any:
    """Forward and backward for one part of a batch; returns its sums of loss and hits."""
    part, padded, weights = len(own.images), -(-images // ROWS) * ROWS, parameters.weights
    gradients = shared.gradients[number]
    gradients[:] = 0
    labels = np.empty(len(indices), np.int64)
    _gather(examples, indices, own, labels)
    for n in range(len(indices)):
        first_forward(own.images[n], weights, own.maps[n], own.chosen1[n])
        second_forward(own.maps[n], weights, own.sums, shared.features, start + n, padded, own.chosen2[n])
    rows = -(-len(indices) // ROWS) * ROWS
    hidden_forward(shared.features, start, rows, padded, weights, own.hidden)
    share = np.float32(1) / np.float32(images)
    found = classify(own.hidden, labels, weights, shared.delta[start * HIDDEN :], gradients, share)
    hidden_backward(shared.delta, start, rows, part, parameters.transposed, own.upstream)
    for n in range(len(indices)):
        out, upstream = shared.features[(start + n) * FILTERS :], own.upstream[n * FILTERS :]
        strides = (padded * FILTERS, part * FILTERS)
        second_backward(
            own.maps[n], parameters.by_filter, out, own.chosen2[n], upstream, strides, own, gradients
        )
        first_backward(own.images[n], own.maps[n], own.chosen1[n], own.below, gradients)
    return found


@kernel
def _update_small(parameters: Any, shared: Any, own: Any, adam: Any, rate: Any) -> None:
    """Sum the parts' gradients in their order, and update all but the hidden kernel."""
    own.total[:] = 0
    for part in range(len(shared.gradients)):
        gradients = shared.gradients[part]
        for n in range(GRADIENTS):
            own.total[n] += gradients[n]
    for tap in range(TAPS):
        for f in range(FILTERS):
            own.kernel[tap * FILTERS + f] = own.total[CONV2_KERNEL + f * TAPS + tap]
    _adam(parameters, 0, own.total, 0, CONV2_KERNEL, adam, rate)
    _adam(parameters, CONV2_KERNEL, own.kernel, 0, TAPS * FILTERS, adam, rate)
    _adam(parameters, CONV2_BIAS, own.total, CONV2_BIAS, FILTERS, adam, rate)
    _adam(parameters, HIDDEN_BIAS, own.total, TAIL, GRADIENTS - TAIL, adam, rate)
    _lay_out_filters(parameters)


@kernel
def _update_block(
    window: int, images: int, parameters: Any, shared: Any, own: Any, adam: Any, rate: Any
) -> None:
    """One window's share of the hidden kernel: its gradient, which stays in cache, and its update."""
    padded = -(-images // ROWS) * ROWS
    hidden_kernel_gradient(shared.features, window, padded, shared.delta, images, own.block)
    _adam(parameters, HIDDEN_KERNEL + window * BLOCK, own.block, 0, BLOCK, adam, rate)
    _lay_out_block(parameters, window)


@kernel
def _train(
    threads: int, images: int, examples: Any, parameters: Any, shared: Any, own: Any, adam: Any
) -> None:
    """Train as many steps as there are rates, `images` a batch, as one of `threads` threads."""
    part, parts = len(own.images), len(shared.gradients)
    tickets = arrivals = threads
    if take_number(shared.counters, TICKETS) == 0:
        _lay_out(parameters)
    if not meet(shared.counters, ARRIVALS, arrivals, ABORTED):
        return
    for step in range(len(adam.rates)):
        indices = examples.order[step * images : (step + 1) * images]
        while True:
            number = take_number(shared.counters, TICKETS) - tickets
            if number >= parts:
                break
            start, stop = number * part, min((number + 1) * part, images)
            loss, hits = _train_part(
                indices[start:stop], number, start, images, examples, parameters, shared, own
            )
            shared.losses[step, number], shared.hits[step, number] = loss, hits
        tickets += parts + threads
        arrivals += threads
        if not meet(shared.counters, ARRIVALS, arrivals, ABORTED):
            return
        while True:
            number = take_number(shared.counters, TICKETS) - tickets
            if number > WINDOWS:
                break
            if number == 0:
                _update_small(parameters, shared, own, adam, adam.rates[step])
            else:
                _update_block(number - 1, images, parameters, shared, own, adam, adam.rates[step])
        tickets += WINDOWS + 1 + threads
        arrivals += threads
        if not meet(shared.counters, ARRIVALS, arrivals, ABORTED):
            return


@functools.cache
def compiled() -> Callable[..., int]:
    """The function `run`, compiled at its first call and kept where Numba keeps such things.

    Numba looks at one file to see whether what it kept is still right; a number made of all files here,
    which it takes into account as part of the function, makes it look at all.
    """
    texts = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    sources = int.from_bytes(hashlib.sha256(b"".join([*texts, bytes([COLUMNS])])).digest()[:6], "big")

    def run(
        threads: int, images: int, examples: Any, parameters: Any, shared: Any, own: Any, adam: Any
    ) -> int:
        """Train as many steps as there are rates, `images` a batch, as one of `threads` threads."""
        before = flush_denormals()
        _train(threads, images, examples, parameters, shared, own, adam)
        set_control(before)
        return sources

    try:
        return njit(**OPTIONS, cache=True)(run)
    except RuntimeError:  # no place for a cache
        return njit(**OPTIONS)(run)


def is_compiled() -> bool:
    """Whether the compiled step is on the disk already, so that the first call loads it and does not compile.

    Numba has no public name for this: its index is searched for this code on this processor.
    """
    cache: Any = getattr(compiled(), "_cache", None)
    if not hasattr(cache, "_cache_file"):  # Numba found no place for a cache
        return False
    wanted = cache._index_key(None, cpu_target.target_context.codegen())[1:]
    return any(key[1:] == wanted for key in cache._cache_file._load_index())
