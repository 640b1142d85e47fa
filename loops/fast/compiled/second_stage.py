"""The second stage, forward: convolution 2×2, pooling 2×2, bias and ReLU, for the windows of a part.

The four outputs of a pooling window cost 9 products of 32 channels in place of 16 (Winograd 1980, "Arithmetic
Complexity of Computations", chapter V; Lavin and Gray 2015): along one axis, outputs y₀ = d₀·g₀ + d₁·g₁ and
y₁ = d₁·g₀ + d₂·g₁ of inputs d and a kernel g are

    y₀ = (d₀ − d₁)·g₀ + d₁·(g₀ + g₁)        y₁ = d₁·(g₀ + g₁) + (d₂ − d₁)·g₁

with three products in place of four. Where inputs are the same along an axis, differences are 0 and outputs
are equal to the bit, as pooling's rule for the first of equals asks for.
"""

from typing import Any

from loops.fast.compiled.first_stage import largest_of, relu
from loops.fast.compiled.kernels import kernel
from loops.fast.compiled.layout import (
    CHANNELS,
    CONV2_BIAS,
    CONV2_KERNEL,
    CORNER_TAPS,
    FILTERS,
    LANES,
    LINE,
    MAP,
    PAIR,
    ROWS,
    WINDOW_ROWS,
    WINDOW_SIDE,
    WINDOWS,
)
from loops.fast.compiled.tiles import COLUMNS, set_tile
from loops.fast.compiled.vectors import load, store


@kernel
def lay_out_products(weights: Any, products: Any) -> None:
    """The second kernel → `products`, sums of its taps, (tap of 9, tile of filters, channel, filter)."""
    right, below, tap = CHANNELS * FILTERS, PAIR * FILTERS, CHANNELS * FILTERS
    for c in range(CHANNELS):
        for f in range(0, FILTERS, LANES):
            at = CONV2_KERNEL + c * FILTERS + f
            a, b = load(weights, at), load(weights, at + right)
            d, e = load(weights, at + below), load(weights, at + below + right)
            to = f // COLUMNS * CHANNELS * COLUMNS + c * COLUMNS + f % COLUMNS
            store(products, to, a)
            store(products, to + tap, a + b)
            store(products, to + 2 * tap, b)
            store(products, to + 3 * tap, a + d)
            store(products, to + 4 * tap, (a + b) + (d + e))
            store(products, to + 5 * tap, b + e)
            store(products, to + 6 * tap, d)
            store(products, to + 7 * tap, d + e)
            store(products, to + 8 * tap, e)


@kernel
def _differences(inputs: Any, corner: int, out: Any, start: int) -> None:
    """A window's 3×3 places of inputs → 9 differences, `out` (tap, WINDOW_ROWS, channel) from `start`."""
    stride = WINDOW_ROWS * CHANNELS
    for c in range(0, CHANNELS, LANES):
        at, to = corner + c, start + c
        a, b, g = load(inputs, at), load(inputs, at + CHANNELS), load(inputs, at + 2 * CHANNELS)
        at += LINE
        d, e, f = load(inputs, at), load(inputs, at + CHANNELS), load(inputs, at + 2 * CHANNELS)
        at += LINE
        h, k, m = load(inputs, at), load(inputs, at + CHANNELS), load(inputs, at + 2 * CHANNELS)
        store(out, to, (a - d) - (b - e))
        store(out, to + stride, b - e)
        store(out, to + 2 * stride, (g - f) - (b - e))
        store(out, to + 3 * stride, d - e)
        store(out, to + 4 * stride, e)
        store(out, to + 5 * stride, f - e)
        store(out, to + 6 * stride, (h - d) - (k - e))
        store(out, to + 7 * stride, k - e)
        store(out, to + 8 * stride, (m - f) - (k - e))


@kernel
def _pool(sums: Any, start: int, weights: Any, features: Any, at: int, chosen: Any, place: int) -> None:
    """A window's 9 sums (tap, WINDOW_ROWS, filter) from `start` → features and places chosen, (filter,)."""
    s = WINDOW_ROWS * FILTERS
    for f in range(0, FILTERS, LANES):
        m = start + f
        upper, lower = load(sums, m + 3 * s), load(sums, m + 4 * s)
        left = load(sums, m) + upper, upper + load(sums, m + 6 * s)
        middle = load(sums, m + s) + lower, lower + load(sums, m + 7 * s)
        last = load(sums, m + 5 * s)
        right = load(sums, m + 2 * s) + last, last + load(sums, m + 8 * s)
        largest, number = largest_of(
            left[0] + middle[0], middle[0] + right[0], left[1] + middle[1], middle[1] + right[1]
        )
        store(features, at + f, relu(largest + load(weights, CONV2_BIAS + f)))
        store(chosen, place + f, number)


@kernel
def second_forward(
    count: int, copies: int, start: int, padded: int, weights: Any, products: Any, own: Any, features: Any
) -> None:
    """own.maps → features (window, padded, filter) and own.chosen2, for windows that were listed."""
    for first in range(0, count, WINDOW_ROWS):
        rows = WINDOW_ROWS if first + WINDOW_ROWS < count else count - first
        for row in range(-(-rows // ROWS) * ROWS):
            image, window = divmod(own.live[first + row], WINDOWS)
            corner = 2 * (window // WINDOW_SIDE) * LINE + 2 * (window % WINDOW_SIDE) * CHANNELS
            _differences(own.maps + image * MAP, corner, own.differences, row * CHANNELS)
        for tap in range(CORNER_TAPS):
            for column in range(0, FILTERS, COLUMNS):
                right = (tap * FILTERS + column) * CHANNELS
                for row in range(0, rows, ROWS):
                    at, left = (
                        (tap * WINDOW_ROWS + row) * FILTERS + column,
                        (tap * WINDOW_ROWS + row) * CHANNELS,
                    )
                    set_tile(
                        own.sums,
                        at,
                        FILTERS,
                        own.differences,
                        left,
                        CHANNELS,
                        2 * CHANNELS,
                        1,
                        products,
                        right,
                        COLUMNS,
                        CHANNELS,
                    )
        for row in range(rows):
            image, window = divmod(own.live[first + row], WINDOWS)
            at, place = (window * padded + start + image) * FILTERS, window * FILTERS
            _pool(
                own.sums, row * FILTERS, weights, features, at, own.chosen2 + image * WINDOWS * FILTERS, place
            )
    for number in range(copies):
        image, window = divmod(own.copies[number], WINDOWS)
        of_image, of_window = divmod(own.originals[number], WINDOWS)
        at, of = (
            (window * padded + start + image) * FILTERS,
            (of_window * padded + start + of_image) * FILTERS,
        )
        for f in range(0, FILTERS, LANES):
            store(features, at + f, load(features, of + f))
