"""Adam, and the copies of kernels that lie as they are read; each thread updates blocks of the parameters."""

from typing import Any

import numpy as np

from loops.fast.compiled.dense import hidden_kernel_gradient
from loops.fast.compiled.kernels import kernel
from loops.fast.compiled.layout import (
    BLOCK,
    CLASSES,
    CLASSIFIER_BIAS,
    CLASSIFIER_KERNEL,
    CONV2_BIAS,
    CONV2_KERNEL,
    FILTERS,
    GRADIENTS,
    HIDDEN,
    HIDDEN_BIAS,
    HIDDEN_KERNEL,
    LANES,
    OF_CLASSES,
    ROOM_FOR_GRADIENTS,
    TAIL,
    TAPS,
    WINDOWS,
)
from loops.fast.compiled.second_stage import lay_out_products
from loops.fast.compiled.tiles import COLUMNS
from loops.fast.compiled.vectors import clear, copy_transposed, load, root, splat, store


@kernel
def _adam(parameters: Any, at: int, gradients: Any, first: int, count: int, adam: Any, rate: Any) -> None:
    """Adam on parameters[at : at + count], epsilon outside the bias correction, as in Keras.

    Kingma and Ba 2015, section 2, "epsilon hat". Whole vectors are updated, so that what lies behind the last
    parameter and behind the last gradient must be 0.
    """
    one1, one2 = splat(np.float32(1) - adam.beta1), splat(np.float32(1) - adam.beta2)
    rates, epsilon = splat(rate), splat(adam.epsilon)
    for n in range(0, count, LANES):
        gradient = load(gradients, first + n)
        momentum, velocity = load(parameters.momenta, at + n), load(parameters.velocities, at + n)
        momentum += (gradient - momentum) * one1
        velocity += (gradient * gradient - velocity) * one2
        store(parameters.momenta, at + n, momentum)
        store(parameters.velocities, at + n, velocity)
        weight = load(parameters.weights, at + n) - momentum * rates / (root(velocity) + epsilon)
        store(parameters.weights, at + n, weight)


@kernel
def _lay_out_block(parameters: Any, window: int) -> None:
    """Bring `transposed` up to date for one window."""
    start = window * BLOCK
    for first in range(0, FILTERS, LANES):
        to = start + first // COLUMNS * COLUMNS * HIDDEN + first % COLUMNS
        for unit in range(0, HIDDEN, LANES):
            at = (
                HIDDEN_KERNEL + start + unit // COLUMNS * COLUMNS * FILTERS + first * COLUMNS + unit % COLUMNS
            )
            copy_transposed(
                parameters.weights + at, COLUMNS, parameters.transposed + (to + unit * COLUMNS), COLUMNS
            )


@kernel
def _transpose(source: Any, rows: int, columns: int, target: Any) -> None:
    """(rows, columns) → (columns, rows), whole squares of vectors."""
    for row in range(0, rows, LANES):
        for column in range(0, columns, LANES):
            copy_transposed(source + (row * columns + column), columns, target + (column * rows + row), rows)


@kernel
def _lay_out_small(parameters: Any) -> None:
    """Bring `by_filter`, `products` and `by_class` up to date."""
    lay_out_products(parameters.weights, parameters.products)
    _transpose(parameters.weights + CONV2_KERNEL, TAPS, FILTERS, parameters.by_filter)
    for unit in range(HIDDEN):
        for c in range(CLASSES):
            parameters.by_class[c * HIDDEN + unit] = parameters.weights[
                CLASSIFIER_KERNEL + unit * CLASSES + c
            ]


@kernel
def lay_out(parameters: Any) -> None:
    """Fill all copies of kernels."""
    _lay_out_small(parameters)
    for window in range(WINDOWS):
        _lay_out_block(parameters, window)


@kernel
def update_small(parts: int, parameters: Any, shared: Any, own: Any, adam: Any, rate: Any) -> None:
    """Sum the parts' gradients in their order, and update all but the hidden kernel."""
    clear(own.total, ROOM_FOR_GRADIENTS)
    for part in range(parts):
        gradients = shared.gradients + part * ROOM_FOR_GRADIENTS
        for n in range(0, GRADIENTS, LANES):
            store(own.total, n, load(own.total, n) + load(gradients, n))
    _transpose(own.total + CONV2_KERNEL, FILTERS, TAPS, own.kernel)
    for unit in range(HIDDEN):
        for c in range(CLASSES):
            own.classifier[unit * CLASSES + c] = own.total[OF_CLASSES + c * HIDDEN + unit]
    _adam(parameters, 0, own.total, 0, CONV2_KERNEL, adam, rate)
    _adam(parameters, CONV2_KERNEL, own.kernel, 0, TAPS * FILTERS, adam, rate)
    _adam(parameters, CONV2_BIAS, own.total, CONV2_BIAS, FILTERS, adam, rate)
    _adam(parameters, HIDDEN_BIAS, own.total, TAIL, HIDDEN, adam, rate)
    _adam(parameters, CLASSIFIER_KERNEL, own.classifier, 0, HIDDEN * CLASSES, adam, rate)
    _adam(parameters, CLASSIFIER_BIAS, own.total, OF_CLASSES + HIDDEN * CLASSES, CLASSES, adam, rate)
    _lay_out_small(parameters)


@kernel
def update_block(
    window: int, plan: Any, parameters: Any, shared: Any, own: Any, adam: Any, rate: Any
) -> None:
    """One window's share of the hidden kernel: its gradient, which stays in cache, and its update."""
    hidden_kernel_gradient(shared.features, window, plan.padded, shared.deltas, plan.images, own.block)
    _adam(parameters, HIDDEN_KERNEL + window * BLOCK, own.block, 0, BLOCK, adam, rate)
    _lay_out_block(parameters, window)
