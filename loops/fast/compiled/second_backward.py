"""The second stage, backward: the gradients of its kernel and bias, and of its input.

Pooling passes a gradient on to one place of four: only these are multiplied. For the input's gradient, those
that ReLU has stopped are left out too.
"""

from typing import Any

import numpy as np

from loops.fast.compiled.kernels import kernel
from loops.fast.compiled.layout import (
    CHANNELS,
    CONV2_BIAS,
    CONV2_KERNEL,
    FILTERS,
    LANES,
    LINE,
    LIST,
    MAP,
    PAIR,
    TAPS,
    WINDOW_SIDE,
    WINDOWS,
)
from loops.fast.compiled.tiles import WIDE, add_weighted_row_pairs
from loops.fast.compiled.vectors import (
    clear,
    compress,
    count,
    lane_numbers,
    load,
    load_bytes,
    splat,
    store,
    where,
)


@kernel
def gather_copies(copies: int, part: int, own: Any) -> None:
    """Add the gradients of copied windows to those of the window they copy, which was computed for all."""
    for number in range(copies):
        image, window = divmod(own.copies[number], WINDOWS)
        of_image, of_window = divmod(own.originals[number], WINDOWS)
        at, of = (window * part + image) * FILTERS, (of_window * part + of_image) * FILTERS
        for f in range(0, FILTERS, LANES):
            store(own.upstream, of + f, load(own.upstream, of + f) + load(own.upstream, at + f))


@kernel
def _list_place(place: int, chosen: Any, passed: Any, value: Any, rows: Any, own: Any, end: int) -> int:
    """List the lanes that passed from `place`, in their order; returns where the list ends now."""
    here = (chosen == splat(np.float32(place))) & passed
    store(own.by_place, end, compress(rows, here))
    store(own.by_place_weights, end, compress(value, here))
    return end + count(here)


@kernel
def _sort_by_place(places: Any, weights: Any, own: Any) -> None:
    """The lists by place, one filter after the other: what pays where vectors cannot be compressed."""
    for place in range(4):
        own.ends[place] = place * LIST
    for f in range(FILTERS):
        end = own.ends[places[f]]
        own.by_place[end], own.by_place_weights[end] = f * TAPS, weights[f]
        # written in any case and counted where it passed: a branch here would be a coin toss
        own.ends[places[f]] = end + (1 if weights[f] != 0 else 0)


@kernel
def _list_window(
    corner: int, out: Any, above: Any, places: Any, listed: int, own: Any, gradients: Any
) -> None:
    """List a window's filters, what passed ReLU and where it came from; and by the place it came from.

    `out`, `above`, the gradient from above, and `places` begin at the window.
    """
    zero, one = splat(np.float32(0)), splat(np.float32(1))
    upper, lower = splat(np.float32(corner)), splat(np.float32(corner + LINE))
    ends = (0, LIST, 2 * LIST, 3 * LIST)
    for f in range(0, FILTERS, LANES):
        value = where(load(out, f) <= zero, zero, load(above, f))
        store(own.weights, listed + f, value)
        store(gradients, CONV2_BIAS + f, load(gradients, CONV2_BIAS + f) + value)
        chosen = load_bytes(places, f)
        row, column = where(chosen > one, lower, upper), where(chosen > one, chosen - one - one, chosen)
        store(own.offsets, listed + f, row + column * splat(np.float32(CHANNELS)))
        if WIDE:
            rows = (lane_numbers() + splat(np.float32(f))) * splat(np.float32(TAPS))
            passed = value != zero
            ends = (
                _list_place(0, chosen, passed, value, rows, own, ends[0]),
                _list_place(1, chosen, passed, value, rows, own, ends[1]),
                _list_place(2, chosen, passed, value, rows, own, ends[2]),
                _list_place(3, chosen, passed, value, rows, own, ends[3]),
            )
    if WIDE:
        own.ends[0], own.ends[1], own.ends[2], own.ends[3] = ends
    else:
        _sort_by_place(places, own.weights + listed, own)


@kernel
def second_backward(
    image: int, inputs: Any, by_filter: Any, out: Any, upstream: Any, strides: Any, own: Any, gradients: Any
) -> None:
    """Add the second kernel's (filter, tap) and bias's gradients; own.below becomes the input's.

    `out` and `upstream` begin at this image, and their windows are `strides` apart.
    """
    clear(own.below, MAP)
    first, stop = 0 if image == 0 else own.stops[image - 1], own.stops[image]
    for number in range(first, stop):
        window = own.live[number] - image * WINDOWS
        corner = 2 * (window // WINDOW_SIDE) * LINE + 2 * (window % WINDOW_SIDE) * CHANNELS
        places, listed = own.chosen2 + (image * WINDOWS + window) * FILTERS, (number - first) * FILTERS
        above = upstream + window * strides[1]
        _list_window(corner, out + window * strides[0], above, places, listed, own, gradients)
        for place in range(4):
            at, of = corner + (place >> 1) * LINE + (place & 1) * CHANNELS, place * LIST
            last = own.ends[place]
            add_weighted_row_pairs(
                own.below, at, LINE, by_filter, PAIR, own.by_place, own.by_place_weights, of, last, 1
            )
    for f in range(FILTERS):
        at, last = CONV2_KERNEL + f * TAPS, (stop - first) * FILTERS
        add_weighted_row_pairs(gradients, at, PAIR, inputs, LINE, own.offsets, own.weights, f, last, FILTERS)
