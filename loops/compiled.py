"""The convolution stages as compiled loops over images: what pooling throws away is not multiplied.

A stage is convolution 2×2, pooling 2×2, bias, ReLU. Pooling passes on the gradient of one place in four:
backward multiplies only these, where a dense convolution multiplies all.
Arrays are float32 but for `chosen`, uint8: which of a window's four places was the largest, the first
of equals. Features of the first stage carry the border of zeros, one row and column at the end, that
SAME padding asks for.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

SIDE = 14  # of the first stage's output; PADDED with its border
PADDED = SIDE + 1
CHANNELS = 32
FILTERS = 64
WINDOWS = (SIDE // 2) ** 2
LINE = PADDED * CHANNELS  # floats a row of the padded map
IMAGE = PADDED * LINE

LANES = 16  # floats a vector: one register of AVX-512, two of AVX2
ROW = 64  # floats a row: two neighbouring places of 32 channels
VECTORS = ROW // LANES

# Reassociation and fused multiply-adds, but NaN and infinity stay: a loss that is no number must show
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
    "boundscheck": False,
    "error_model": "numpy",
}


def kernel(function: Any) -> Any:
    """Compile at the first call; keep that beside this file or in the user's cache, if one may be written.

    Numba looks at this file alone to see whether what it kept is still right, so all kernels stand here.
    """
    try:
        return njit(**OPTIONS, cache=True)(function)
    except RuntimeError:  # no place for a cache
        return njit(**OPTIONS)(function)


@intrinsic
def add_weighted_row_pairs(
    typingctx: Any,
    totals: Any,
    at: Any,
    apart: Any,
    rows: Any,
    rows_apart: Any,
    offsets: Any,
    weights: Any,
    first: Any,
    last: Any,
    step: Any,
) -> Any:
    """Add weights[u] · the pair of rows at offsets[u] to a pair of totals, for u in range(first, last, step).

    A pair is ROW floats at an index and ROW floats `apart` from it. `totals`, `rows` and `weights` are flat
    float32 arrays, `offsets` a flat int32 array. No bounds are checked.
    """
    whole = types.int64
    signature = types.void(totals, whole, whole, rows, whole, offsets, weights, whole, whole, whole)
    return signature, _generate


def _generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    """The loop in LLVM's own language: the sums as phi nodes, a fused multiply-add each a row."""
    totals, at, apart, rows, rows_apart, offsets, weights, first, last, step = (
        cgutils.create_struct_proxy(kind)(context, builder, value).data
        if isinstance(kind, types.Array)
        else value
        for kind, value in zip(signature.args, values, strict=True)
    )
    index, vector = ir.IntType(64), ir.VectorType(ir.FloatType(), LANES)
    fma = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{LANES}f32"
    )

    def places(start: Any, base: Any, distance: Any) -> list[Any]:
        pair = (base, builder.add(base, distance))
        each = [builder.add(row, index(number * LANES)) for row in pair for number in range(VECTORS)]
        return [builder.bitcast(builder.gep(start, [place]), vector.as_pointer()) for place in each]

    before = builder.block
    sums = [builder.load(place, align=4) for place in places(totals, at, apart)]
    head, body, after = (builder.append_basic_block(name) for name in ("rows", "row", "sum"))
    builder.branch(head)

    builder.position_at_end(head)
    u = builder.phi(index)
    u.add_incoming(first, before)
    running = [builder.phi(vector) for _ in sums]
    for phi, start in zip(running, sums, strict=True):
        phi.add_incoming(start, before)
    builder.cbranch(builder.icmp_signed("<", u, last), body, after)

    builder.position_at_end(body)
    weight = _splat(builder, vector, builder.load(builder.gep(weights, [u])))
    row = builder.sext(builder.load(builder.gep(offsets, [u])), index)
    for phi, place in zip(running, places(rows, row, rows_apart), strict=True):
        phi.add_incoming(builder.call(fma, [weight, builder.load(place, align=4), phi]), body)
    u.add_incoming(builder.add(u, step), body)
    builder.branch(head)

    builder.position_at_end(after)
    for phi, place in zip(running, places(totals, at, apart), strict=True):
        builder.store(phi, place, align=4)
    return context.get_dummy_value()


def _splat(builder: Any, vector: Any, value: Any) -> Any:
    """A vector with `value` in each lane."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.IntType(32)(0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, undefined, lanes)


@njit(inline="always")
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


@njit(inline="always")
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
def first_forward(
    images: Any, kernel: Any, bias: Any, features: Any, chosen: Any, start: int, stop: int
) -> None:
    """Images (n, 28, 28) → features (n, 15, 15, 32) and chosen (n, 14, 14, 32); kernel (4, 32)."""
    for n in range(start, stop):
        features[n, SIDE] = 0
        features[n, :, SIDE] = 0
        for i in range(SIDE):
            for j in range(SIDE):
                (a, b, c), (d, e, f), (g, h, k) = _patch(images[n], i, j)
                out, place = features[n, i, j], chosen[n, i, j]
                for channel in range(CHANNELS):
                    w0, w1 = kernel[0, channel], kernel[1, channel]
                    w2, w3 = kernel[2, channel], kernel[3, channel]
                    largest, index = _largest(
                        a * w0 + b * w1 + d * w2 + e * w3,
                        b * w0 + c * w1 + e * w2 + f * w3,
                        d * w0 + e * w1 + g * w2 + h * w3,
                        e * w0 + f * w1 + h * w2 + k * w3,
                    )
                    largest += bias[channel]
                    out[channel] = np.float32(0) if largest <= 0 else largest
                    place[channel] = index


@kernel
def first_backward(
    images: Any,
    features: Any,
    chosen: Any,
    upstream: Any,
    kernel_gradient: Any,
    bias_gradient: Any,
    start: int,
    stop: int,
) -> None:
    """Add to the gradients (4, 32) and (32,) what images start … stop - 1 give; upstream as features."""
    zero = np.float32(0)
    for n in range(start, stop):
        for i in range(SIDE):
            for j in range(SIDE):
                (a, b, c), (d, e, f), (g, h, k) = _patch(images[n], i, j)
                out, place, above = features[n, i, j], chosen[n, i, j], upstream[n, i, j]
                for channel in range(CHANNELS):
                    value, index = zero if out[channel] <= 0 else above[channel], place[channel]
                    right, below = index & 1, index & 2
                    p0 = (e if right else d) if below else (b if right else a)
                    p1 = (f if right else e) if below else (c if right else b)
                    p2 = (h if right else g) if below else (e if right else d)
                    p3 = (k if right else h) if below else (f if right else e)
                    kernel_gradient[0, channel] += value * p0
                    kernel_gradient[1, channel] += value * p1
                    kernel_gradient[2, channel] += value * p2
                    kernel_gradient[3, channel] += value * p3
                    bias_gradient[channel] += value


@kernel
def second_forward(sums: Any, bias: Any, features: Any, chosen: Any, start: int, stop: int) -> None:
    """Convolution sums (n, 14, 14, 64) → pooled, biased, rectified (n, 7, 7, 64) and chosen of that shape."""
    for n in range(start, stop):
        for i in range(SIDE // 2):
            for j in range(SIDE // 2):
                s0, s1 = sums[n, 2 * i, 2 * j], sums[n, 2 * i, 2 * j + 1]
                s2, s3 = sums[n, 2 * i + 1, 2 * j], sums[n, 2 * i + 1, 2 * j + 1]
                out, place = features[n, i, j], chosen[n, i, j]
                for f in range(FILTERS):
                    largest, index = _largest(s0[f], s1[f], s2[f], s3[f])
                    largest += bias[f]
                    out[f] = np.float32(0) if largest <= 0 else largest
                    place[f] = index


@kernel
def second_backward(
    inputs: Any,
    kernel: Any,
    features: Any,
    chosen: Any,
    upstream: Any,
    input_gradient: Any,
    kernel_gradient: Any,
    bias_gradient: Any,
    start: int,
    stop: int,
) -> None:
    """Gradients of the second stage for images start … stop - 1.

    `inputs` and `input_gradient` are (n, 15, 15, 32); kernel and its gradient (64, 2, 64): filter, row of the
    kernel, then its two columns of 32 channels, which lie side by side in the input too. What passed ReLU is
    listed by the place that pooling chose, for the input, and all values by window, for the kernel.
    """
    all_inputs, all_kernels = inputs.reshape(-1), kernel.reshape(-1)
    all_input_gradients, all_kernel_gradients = input_gradient.reshape(-1), kernel_gradient.reshape(-1)
    kernels, kernel_weights = np.empty(4 * FILTERS, np.int32), np.empty(4 * FILTERS, np.float32)
    corners, corner_weights = np.empty(WINDOWS * FILTERS, np.int32), np.empty(WINDOWS * FILTERS, np.float32)
    ends = np.empty(4, np.int64)
    for n in range(start, stop):
        image_inputs = all_inputs[n * IMAGE : (n + 1) * IMAGE]
        image_gradients = all_input_gradients[n * IMAGE : (n + 1) * IMAGE]
        image_gradients[:] = 0
        for window in range(WINDOWS):
            i, j = window // (SIDE // 2), window % (SIDE // 2)
            corner = np.int32(2 * i * LINE + 2 * j * CHANNELS)
            out, places, above = features[n, i, j], chosen[n, i, j], upstream[n, i, j]
            listed = corners[window * FILTERS : (window + 1) * FILTERS]
            weights = corner_weights[window * FILTERS : (window + 1) * FILTERS]
            for f in range(FILTERS):
                value = np.float32(0) if out[f] <= 0 else above[f]
                weights[f] = value
                bias_gradient[f] += value
                down, right = np.int32(places[f]) >> 1, np.int32(places[f]) & 1
                listed[f] = corner + down * np.int32(LINE) + right * np.int32(CHANNELS)
            for place in range(4):
                ends[place] = place * FILTERS
            for f in range(FILTERS):
                end = ends[places[f]]
                kernels[end], kernel_weights[end] = f * 2 * ROW, weights[f]
                # written in any case and counted where it passed: a branch here would be a coin toss
                ends[places[f]] = end + (1 if weights[f] != 0 else 0)
            for place in range(4):
                add_weighted_row_pairs(
                    image_gradients,
                    corner + (place >> 1) * LINE + (place & 1) * CHANNELS,
                    LINE,
                    all_kernels,
                    ROW,
                    kernels,
                    kernel_weights,
                    place * FILTERS,
                    ends[place],
                    1,
                )
        for f in range(FILTERS):
            add_weighted_row_pairs(
                all_kernel_gradients,
                2 * f * ROW,
                ROW,
                image_inputs,
                LINE,
                corners,
                corner_weights,
                f,
                WINDOWS * FILTERS,
                FILTERS,
            )
