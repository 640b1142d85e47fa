"""The two stages of convolution 2×2, pooling 2×2, bias and ReLU, one image at a time.

Bias and ReLU commute with max, so they come after pooling. All arrays are flat but an image, (28, 28);
`weights` are all parameters, `gradients` a part's.
"""

from typing import Any

import numpy as np

from loops.fast.compiled.layout import (
    CHANNELS,
    CONV1_BIAS,
    CONV2_BIAS,
    CONV2_KERNEL,
    FILTERS,
    HIDDEN_KERNEL,
    LINE,
    PAIR,
    SIDE,
    TAPS,
    WINDOW_SIDE,
    WINDOWS,
)
from loops.fast.compiled.primitives import COLUMNS, add_tile, add_weighted_row_pairs, kernel


@kernel
def _largest(a: Any, b: Any, c: Any, d: Any) -> Any:
    """The largest of four and its index, the first of equals."""
    largest, index = a, np.int32(0)
    if b > largest:
        largest, index = b, np.int32(1)
    if c > largest:
        largest, index = c, np.int32(2)
    if d > largest:
        largest, index = d, np.int32(3)
    return largest, index


@kernel
def _patch(image: Any, i: int, j: int) -> Any:
    """The 3×3 pixels under a pooling window's four places, zeros beyond the edge."""
    zero = np.float32(0)
    r, c = 2 * i, 2 * j
    right, below = j < SIDE - 1, i < SIDE - 1
    return (
        (image[r, c], image[r, c + 1], image[r, c + 2] if right else zero),
        (image[r + 1, c], image[r + 1, c + 1], image[r + 1, c + 2] if right else zero),
        (
            image[r + 2, c] if below else zero,
            image[r + 2, c + 1] if below else zero,
            image[r + 2, c + 2] if right and below else zero,
        ),
    )


@kernel
def first_forward(image: Any, weights: Any, features: Any, chosen: Any) -> None:
    """Image → bordered features (MAP,) and chosen (PLACES,): the 28×28 map is never stored."""
    w = weights
    for i in range(SIDE):
        for j in range(SIDE):
            (a, b, c), (d, e, f), (g, h, k) = _patch(image, i, j)
            at, start = i * LINE + j * CHANNELS, (i * SIDE + j) * CHANNELS
            out, place = features[at : at + CHANNELS], chosen[start : start + CHANNELS]
            for n in range(CHANNELS):
                w0, w1, w2, w3 = w[n], w[CHANNELS + n], w[2 * CHANNELS + n], w[3 * CHANNELS + n]
                largest, index = _largest(
                    a * w0 + b * w1 + d * w2 + e * w3,
                    b * w0 + c * w1 + e * w2 + f * w3,
                    d * w0 + e * w1 + g * w2 + h * w3,
                    e * w0 + f * w1 + h * w2 + k * w3,
                )
                largest += w[CONV1_BIAS + n]
                out[n] = np.float32(0) if largest <= 0 else largest
                place[n] = index


@kernel
def first_backward(image: Any, features: Any, chosen: Any, upstream: Any, gradients: Any) -> None:
    """Add the gradients of the first kernel and bias; the image needs none."""
    sums = gradients[: CONV1_BIAS + CHANNELS]
    for i in range(SIDE):
        for j in range(SIDE):
            (a, b, c), (d, e, f), (g, h, k) = _patch(image, i, j)
            at, start = i * LINE + j * CHANNELS, (i * SIDE + j) * CHANNELS
            out, above = features[at : at + CHANNELS], upstream[at : at + CHANNELS]
            place = chosen[start : start + CHANNELS]
            for n in range(CHANNELS):
                value, index = np.float32(0) if out[n] <= 0 else above[n], place[n]
                right, below = index & 1, index & 2
                p0 = (e if right else d) if below else (b if right else a)
                p1 = (f if right else e) if below else (c if right else b)
                p2 = (h if right else g) if below else (e if right else d)
                p3 = (k if right else h) if below else (f if right else e)
                sums[n] += value * p0
                sums[CHANNELS + n] += value * p1
                sums[2 * CHANNELS + n] += value * p2
                sums[3 * CHANNELS + n] += value * p3
                sums[CONV1_BIAS + n] += value


@kernel
def second_forward(
    inputs: Any, weights: Any, sums: Any, features: Any, image: int, padded: int, chosen: Any
) -> None:
    """Bordered features → features[:, image] of (window, padded, filter) and chosen (window · filter,)."""
    for first in range(0, FILTERS, COLUMNS):
        bias = weights[CONV2_BIAS + first : CONV2_BIAS + first + COLUMNS]
        for window in range(WINDOWS):
            corner = 2 * (window // WINDOW_SIDE) * LINE + 2 * (window % WINDOW_SIDE) * CHANNELS
            sums[:] = 0
            for row in range(2):
                start = CONV2_KERNEL + row * PAIR * FILTERS + first
                left = corner + row * LINE
                add_tile(sums, 0, COLUMNS, inputs, left, CHANNELS, LINE, 1, weights, start, FILTERS, PAIR)
            at, start = (window * padded + image) * FILTERS + first, window * FILTERS + first
            out, place = features[at : at + COLUMNS], chosen[start : start + COLUMNS]
            for f in range(COLUMNS):
                largest, index = _largest(
                    sums[f], sums[COLUMNS + f], sums[2 * COLUMNS + f], sums[3 * COLUMNS + f]
                )
                largest += bias[f]
                out[f] = np.float32(0) if largest <= 0 else largest
                place[f] = index


@kernel
def _list_window(
    window: int, out: Any, above: Any, places: Any, offsets: Any, weights: Any, bias_gradient: Any
) -> int:
    """List a window's filters, what passed ReLU and where it came from; returns the window's corner."""
    corner = np.int32(2 * (window // WINDOW_SIDE) * LINE + 2 * (window % WINDOW_SIDE) * CHANNELS)
    for f in range(FILTERS):
        value = np.float32(0) if out[f] <= 0 else above[f]
        weights[f] = value
        bias_gradient[f] += value
        down, right = np.int32(places[f]) >> 1, np.int32(places[f]) & 1
        offsets[f] = corner + down * np.int32(LINE) + right * np.int32(CHANNELS)
    return int(corner)


@kernel
def _sort_by_place(places: Any, weights: Any, by_place: Any, by_place_weights: Any, ends: Any) -> None:
    """Which filters passed, and by how much, listed by the place that pooling chose."""
    for place in range(4):
        ends[place] = place * FILTERS
    for f in range(FILTERS):
        end = ends[places[f]]
        by_place[end], by_place_weights[end] = f * TAPS, weights[f]
        # written in any case and counted where it passed: a branch here would be a coin toss
        ends[places[f]] = end + (1 if weights[f] != 0 else 0)


@kernel
def second_backward(
    inputs: Any, by_filter: Any, out: Any, chosen: Any, upstream: Any, strides: Any, own: Any, gradients: Any
) -> None:
    """Add the second kernel's (filter, tap) and bias's gradients; own.below becomes the input's.

    `out` and `upstream` begin at this image, and their windows are `strides` apart.
    """
    own.below[:] = 0
    for window in range(WINDOWS):
        span = slice(window * FILTERS, (window + 1) * FILTERS)
        places, offsets, weights = chosen[span], own.offsets[span], own.weights[span]
        corner = _list_window(
            window,
            out[window * strides[0] :],
            upstream[window * strides[1] :],
            places,
            offsets,
            weights,
            gradients[CONV2_BIAS:HIDDEN_KERNEL],
        )
        _sort_by_place(places, weights, own.by_place, own.by_place_weights, own.ends)
        for place in range(4):
            at, first = corner + (place >> 1) * LINE + (place & 1) * CHANNELS, place * FILTERS
            last = own.ends[place]
            add_weighted_row_pairs(
                own.below, at, LINE, by_filter, PAIR, own.by_place, own.by_place_weights, first, last, 1
            )
    for f in range(FILTERS):
        at, last = CONV2_KERNEL + f * TAPS, WINDOWS * FILTERS
        add_weighted_row_pairs(gradients, at, PAIR, inputs, LINE, own.offsets, own.weights, f, last, FILTERS)
