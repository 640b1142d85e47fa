"""The first stage, one image at a time: convolution 2×2, pooling 2×2, bias and ReLU.

Bias and ReLU commute with max, so they come after pooling. An image is (PIXEL_MAP,);
`weights` are all parameters, `gradients` a part's. A *blank* place has only zeros under it, as the background
of an image has: its features are ReLU of the bias, and it adds nothing to the kernel's gradient.
"""

from typing import Any

import numpy as np

from loops.fast.compiled.kernels import kernel
from loops.fast.compiled.layout import CHANNELS, CONV1_BIAS, LANES, LINE, PIXEL_LINE, SIDE
from loops.fast.compiled.vectors import load, load_bytes, splat, store, where


@kernel
def largest_of(a: Any, b: Any, c: Any, d: Any) -> Any:
    """The largest of four, lane by lane, and its number, the first of equals."""
    largest, number = a, splat(np.float32(0))
    largest, number = where(b > largest, b, largest), where(b > largest, splat(np.float32(1)), number)
    largest, number = where(c > largest, c, largest), where(c > largest, splat(np.float32(2)), number)
    return where(d > largest, d, largest), where(d > largest, splat(np.float32(3)), number)


@kernel
def relu(values: Any) -> Any:
    """0 in place of what is below it; NaN stays."""
    zero = splat(np.float32(0))
    return where(values <= zero, zero, values)


@kernel
def _patch(image: Any, i: int, j: int) -> Any:
    """The 3×3 pixels under a pooling window's four places."""
    r, s, t = 2 * i * PIXEL_LINE + 2 * j, (2 * i + 1) * PIXEL_LINE + 2 * j, (2 * i + 2) * PIXEL_LINE + 2 * j
    return (
        (image[r], image[r + 1], image[r + 2]),
        (image[s], image[s + 1], image[s + 2]),
        (image[t], image[t + 1], image[t + 2]),
    )


@kernel
def _sum_of(rows: Any) -> Any:
    (a, b, c), (d, e, f), (g, h, k) = rows
    return ((a + b) + (c + d)) + ((e + f) + (g + h)) + k


@kernel
def first_forward(image: Any, weights: Any, features: Any, chosen: Any, blank: Any) -> None:
    """Image → bordered features (MAP,), chosen (PLACES,) and blank (SIDE + 1,): a bit a place, lowest first.

    The 28×28 map is never stored.
    """
    for i in range(SIDE):
        blanks = 1 << SIDE  # the border's
        for j in range(SIDE):
            rows = _patch(image, i, j)
            is_blank = _sum_of(rows) == 0
            blanks |= is_blank << j
            at, start = i * LINE + j * CHANNELS, (i * SIDE + j) * CHANNELS
            (a, b, c), (d, e, f), (g, h, k) = rows
            for n in range(0, CHANNELS, LANES):
                bias = load(weights, CONV1_BIAS + n)
                if is_blank:
                    store(features, at + n, relu(bias))
                    store(chosen, start + n, splat(np.float32(0)))
                    continue
                w0, w1 = load(weights, n), load(weights, CHANNELS + n)
                w2, w3 = load(weights, 2 * CHANNELS + n), load(weights, 3 * CHANNELS + n)
                largest, number = largest_of(
                    splat(a) * w0 + splat(b) * w1 + splat(d) * w2 + splat(e) * w3,
                    splat(b) * w0 + splat(c) * w1 + splat(e) * w2 + splat(f) * w3,
                    splat(d) * w0 + splat(e) * w1 + splat(g) * w2 + splat(h) * w3,
                    splat(e) * w0 + splat(f) * w1 + splat(h) * w2 + splat(k) * w3,
                )
                store(features, at + n, relu(largest + bias))
                store(chosen, start + n, number)
        blank[i] = blanks


@kernel
def first_backward(image: Any, features: Any, chosen: Any, blank: Any, upstream: Any, gradients: Any) -> None:
    """Add the gradients of the first kernel and bias; the image needs none."""
    zero = splat(np.float32(0))
    for n in range(0, CHANNELS, LANES):
        sum0, sum1 = load(gradients, n), load(gradients, CHANNELS + n)
        sum2, sum3 = load(gradients, 2 * CHANNELS + n), load(gradients, 3 * CHANNELS + n)
        of_bias = load(gradients, CONV1_BIAS + n)
        for i in range(SIDE):
            for j in range(SIDE):
                at, start = i * LINE + j * CHANNELS + n, (i * SIDE + j) * CHANNELS + n
                value = where(load(features, at) <= zero, zero, load(upstream, at))
                of_bias += value
                if blank[i] >> j & 1:
                    continue
                (a, b, c), (d, e, f), (g, h, k) = _patch(image, i, j)
                number = load_bytes(chosen, start)
                v0 = where(number == zero, value, zero)
                v1 = where(number == splat(np.float32(1)), value, zero)
                v2 = where(number == splat(np.float32(2)), value, zero)
                v3 = where(number == splat(np.float32(3)), value, zero)
                sum0 += splat(a) * v0 + splat(b) * v1 + splat(d) * v2 + splat(e) * v3
                sum1 += splat(b) * v0 + splat(c) * v1 + splat(e) * v2 + splat(f) * v3
                sum2 += splat(d) * v0 + splat(e) * v1 + splat(g) * v2 + splat(h) * v3
                sum3 += splat(e) * v0 + splat(f) * v1 + splat(h) * v2 + splat(k) * v3
        store(gradients, n, sum0)
        store(gradients, CHANNELS + n, sum1)
        store(gradients, 2 * CHANNELS + n, sum2)
        store(gradients, 3 * CHANNELS + n, sum3)
        store(gradients, CONV1_BIAS + n, of_bias)
