"""What each thread runs: many steps, sharing out the parts of a batch and the blocks of the update."""

import contextlib
import functools
import hashlib
import pickle
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numba.core.registry import cpu_target

from loops.fast.compiled.denormals import flush_denormals, set_control
from loops.fast.compiled.dense import classify, hand_over, hidden_backward, hidden_forward
from loops.fast.compiled.first_stage import first_backward, first_forward
from loops.fast.compiled.kernels import OPTIONS, kernel
from loops.fast.compiled.layout import (
    FILTERS,
    IMAGE,
    LANES,
    MAP,
    PIXEL_LINE,
    PIXEL_MAP,
    PIXELS,
    PLACES,
    ROOM_FOR_GRADIENTS,
    ROWS,
    SIDE,
    WINDOWS,
)
from loops.fast.compiled.second_backward import gather_copies, second_backward
from loops.fast.compiled.second_stage import second_forward
from loops.fast.compiled.threads import meet, take_number
from loops.fast.compiled.tiles import COLUMNS
from loops.fast.compiled.update import lay_out, update_block, update_small
from loops.fast.compiled.vectors import clear, load_bytes, splat, store
from loops.fast.compiled.windows import list_windows

DAMAGED = (EOFError, pickle.UnpicklingError)  # what a file of Numba's raises that was cut short
TICKETS, ARRIVALS, ABORTED, COUNTERS = 0, 8, 16, 24  # a cache line of int64 each


@kernel
def _gather(examples: Any, order: Any, images: int, own: Any) -> None:
    """Images as float32 in [0, 1] and labels."""
    scale = splat(examples.scale)
    for n in range(images):
        own.labels[n] = examples.labels[order[n]]
        source, target = examples.images + order[n] * IMAGE, own.images + n * PIXEL_MAP
        for y in range(PIXELS):
            for x in (0, PIXELS - LANES):  # two vectors, which overlap
                store(target, y * PIXEL_LINE + x, load_bytes(source, y * PIXELS + x) * scale)


@kernel
def _train_part(
    order: Any,
    start: int,
    images: int,
    plan: Any,
    examples: Any,
    parameters: Any,
    shared: Any,
    own: Any,
    gradients: Any,
) -> Any:
    """Forward and backward for a part, `images` from `start` on; returns its sums of loss and hits."""
    padded, weights = plan.padded, parameters.weights
    clear(gradients, ROOM_FOR_GRADIENTS)
    _gather(examples, order + start, images, own)
    for n in range(images):
        blank, chosen = own.blank + n * (SIDE + 1), own.chosen1 + n * PLACES
        first_forward(own.images + n * PIXEL_MAP, weights, own.maps + n * MAP, chosen, blank)
    count, copies = list_windows(images, own)
    second_forward(count, copies, start, padded, weights, parameters.products, own, shared.features)
    rows = -(-images // ROWS) * ROWS
    hidden_forward(shared.features, start, rows, padded, weights, own.hidden)
    share = np.float32(1) / np.float32(plan.images)
    found = classify(images, weights, parameters.by_class, own, gradients, share)
    if not plan.trains:
        return found
    hand_over(own.delta, images, start, padded, shared.deltas)
    hidden_backward(own.delta, rows, plan.part, parameters.transposed, own.upstream)
    gather_copies(copies, plan.part, own)
    for n in range(images):
        map_, out = own.maps + n * MAP, shared.features + (start + n) * FILTERS
        upstream = own.upstream + n * FILTERS
        strides = (padded * FILTERS, plan.part * FILTERS)
        second_backward(n, map_, parameters.by_filter, out, upstream, strides, own, gradients)
        blank, chosen = own.blank + n * (SIDE + 1), own.chosen1 + n * PLACES
        first_backward(own.images + n * PIXEL_MAP, map_, chosen, blank, own.below, gradients)
    return found


@kernel
def _train(plan: Any, examples: Any, parameters: Any, shared: Any, own: Any, adam: Any) -> None:
    """Do plan.steps steps, as one of plan.threads threads."""
    tiles, parts, threads = plan.padded // ROWS, plan.parts, plan.threads
    tickets = arrivals = threads
    if take_number(shared.counters, TICKETS) == 0:
        lay_out(parameters)
    if not meet(shared.counters, ARRIVALS, arrivals, ABORTED):
        return
    for step in range(plan.steps):
        order = examples.order + step * plan.images
        while True:
            number = take_number(shared.counters, TICKETS) - tickets
            if number >= parts:
                break
            start = tiles * number // parts * ROWS
            stop = tiles * (number + 1) // parts * ROWS
            images = (stop if stop < plan.images else plan.images) - start
            gradients = shared.gradients + number * ROOM_FOR_GRADIENTS
            loss, hits = _train_part(order, start, images, plan, examples, parameters, shared, own, gradients)
            shared.losses[step * parts + number], shared.hits[step * parts + number] = loss, hits
        tickets += parts + threads
        arrivals += threads
        if not meet(shared.counters, ARRIVALS, arrivals, ABORTED):
            return
        if not plan.trains:
            continue
        while True:
            number = take_number(shared.counters, TICKETS) - tickets
            if number > WINDOWS:
                break
            if number == 0:
                update_small(parts, parameters, shared, own, adam, adam.rates[step])
            else:
                update_block(number - 1, plan, parameters, shared, own, adam, adam.rates[step])
        tickets += WINDOWS + 1 + threads
        arrivals += threads
        if not meet(shared.counters, ARRIVALS, arrivals, ABORTED):
            return


def run(plan: Any, examples: Any, parameters: Any, shared: Any, own: Any, adam: Any) -> None:
    """Do plan.steps steps, as one of plan.threads threads."""
    before = flush_denormals()
    _train(plan, examples, parameters, shared, own, adam)
    set_control(before)


@functools.cache
def compiled(*, kept: bool = True) -> Callable[..., None]:
    """The function `run`, compiled at its first call and kept where Numba keeps such things.

    Numba looks at one file to see whether what it kept is still right, and numbers its files anew when that
    one changed. So the name under which it keeps the function holds a digest of all files here and of the
    processor: no other version of the code and no other processor's is ever taken for this one. Without
    `kept` nothing is read or written.
    """
    texts = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    target = repr((cpu_target.target_context.codegen().magic_tuple(), COLUMNS)).encode()
    digest = hashlib.sha256(b"".join([*texts, target])).hexdigest()[:16]
    function = types.FunctionType(run.__code__, run.__globals__, f"run_{digest}")
    function.__qualname__ = function.__name__
    try:
        return njit(**OPTIONS, cache=kept)(function)
    except RuntimeError:  # no place for a cache
        return njit(**OPTIONS)(function)


def is_compiled() -> bool:
    """Whether the compiled step is on the disk already, so that the first call loads it and does not compile.

    Numba has no public name for this: its index is searched for this code on this processor.
    """
    cache: Any = getattr(compiled(), "_cache", None)
    if not hasattr(cache, "_cache_file"):  # Numba found no place for a cache
        return False
    wanted = cache._index_key(None, cpu_target.target_context.codegen())[1:]
    try:
        return any(key[1:] == wanted for key in cache._cache_file._load_index())
    except (*DAMAGED, OSError):
        return False


def forget() -> None:
    """Remove the index of what is kept, if that can be done, so that it is compiled and kept anew."""
    with contextlib.suppress(OSError):
        Path(compiled()._cache._cache_file._index_path).unlink(missing_ok=True)  # type: ignore[attr-defined]
    compiled.cache_clear()
