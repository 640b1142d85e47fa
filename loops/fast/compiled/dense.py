"""The two dense layers and the loss, a part of a batch at a time. All arrays are flat."""

import math
from typing import Any

import numpy as np

from loops.fast.compiled.first_stage import relu
from loops.fast.compiled.kernels import kernel
from loops.fast.compiled.layout import (
    BLOCK,
    CLASSES,
    CLASSIFIER_BIAS,
    FILTERS,
    HIDDEN,
    HIDDEN_BIAS,
    HIDDEN_KERNEL,
    LANES,
    OF_CLASSES,
    ROWS,
    TAIL,
    WINDOWS,
)
from loops.fast.compiled.tiles import COLUMNS, add_tile, set_tile
from loops.fast.compiled.vectors import load, splat, store, total, where


@kernel
def hidden_forward(features: Any, start: int, rows: int, padded: int, weights: Any, hidden: Any) -> None:
    """Features (window, padded, filter) of `rows` images from `start` → hidden sums before ReLU."""
    for n in range(rows):
        for h in range(0, HIDDEN, LANES):
            store(hidden, n * HIDDEN + h, load(weights, HIDDEN_BIAS + h))
    for window in range(WINDOWS):
        for first in range(0, HIDDEN, COLUMNS):
            right = HIDDEN_KERNEL + window * BLOCK + first * FILTERS
            for n in range(0, rows, ROWS):
                at, left = n * HIDDEN + first, (window * padded + start + n) * FILTERS
                add_tile(
                    hidden,
                    at,
                    HIDDEN,
                    features,
                    left,
                    FILTERS,
                    2 * FILTERS,
                    1,
                    weights,
                    right,
                    COLUMNS,
                    FILTERS,
                )


@kernel
def hidden_backward(delta: Any, rows: int, part: int, transposed: Any, upstream: Any) -> None:
    """Delta (image, unit) of `rows` images → the features' gradient (window, part, filter)."""
    for window in range(WINDOWS):
        for first in range(0, FILTERS, COLUMNS):
            right = window * BLOCK + first * HIDDEN
            for n in range(0, rows, ROWS):
                at, left = (window * part + n) * FILTERS + first, n * HIDDEN
                set_tile(
                    upstream,
                    at,
                    FILTERS,
                    delta,
                    left,
                    HIDDEN,
                    2 * HIDDEN,
                    1,
                    transposed,
                    right,
                    COLUMNS,
                    HIDDEN,
                )


@kernel
def hidden_kernel_gradient(
    features: Any, window: int, padded: int, deltas: Any, images: int, block: Any
) -> None:
    """One window's share of the hidden kernel's gradient, summed over the batch.

    `deltas` is (tile of units, padded, unit), `block` (tile of units, filter, unit).
    """
    for first in range(0, HIDDEN, COLUMNS):
        for filter_ in range(0, FILTERS, ROWS):
            left, right = window * padded * FILTERS + filter_, first * padded
            at = first * FILTERS + filter_ * COLUMNS
            set_tile(block, at, COLUMNS, features, left, 1, 2, FILTERS, deltas, right, COLUMNS, images)


@kernel
def _logits(hidden: Any, at: int, weights: Any, by_class: Any, logits: Any) -> None:
    """ReLU in place, which keeps NaN, and the classifier's sums."""
    for h in range(at, at + HIDDEN, LANES):
        store(hidden, h, relu(load(hidden, h)))
    for c in range(CLASSES):
        products = splat(np.float32(0))
        for h in range(0, HIDDEN, LANES):
            products += load(hidden, at + h) * load(by_class, c * HIDDEN + h)
        logits[c] = total(products) + weights[CLASSIFIER_BIAS + c]


@kernel
def _cross_entropy(logits: Any, label: int, share: Any) -> Any:
    """An image's loss and whether it was guessed; logits become the loss's gradient, times `share`."""
    largest, best = logits[0], 0
    for c in range(1, CLASSES):
        if logits[c] > largest:
            largest, best = logits[c], c
    of_label, sum_ = logits[label], np.float32(0)
    for c in range(CLASSES):
        logits[c] = math.exp(logits[c] - largest)
        sum_ += logits[c]
    for c in range(CLASSES):
        logits[c] = (logits[c] / sum_ - np.float32(c == label)) * share
    return math.log(sum_) + largest - of_label, best == label


@kernel
def _back_to_hidden(hidden: Any, at: int, logits: Any, by_class: Any, delta: Any, gradients: Any) -> None:
    """The gradients of the classifier, (class, unit), and of the hidden bias, and the hidden delta."""
    kernel_, bias = OF_CLASSES, OF_CLASSES + CLASSES * HIDDEN
    for c in range(CLASSES):
        gradients[bias + c] += logits[c]
    zero = splat(np.float32(0))
    for h in range(0, HIDDEN, LANES):
        row, back = load(hidden, at + h), zero
        for c in range(CLASSES):
            of_class, place = splat(logits[c]), kernel_ + c * HIDDEN + h
            back += of_class * load(by_class, c * HIDDEN + h)
            store(gradients, place, load(gradients, place) + row * of_class)
        back = where(row <= zero, zero, back)
        store(delta, at + h, back)
        store(gradients, TAIL + h, load(gradients, TAIL + h) + back)


@kernel
def classify(images: int, weights: Any, by_class: Any, own: Any, gradients: Any, share: Any) -> Any:
    """own.hidden and own.labels of a part → sums of loss and hits; own.delta and gradients on the way.

    Softmax and cross-entropy in one, as Keras computes them from the logits; `share` is one over the batch.
    """
    loss, hits = 0.0, 0
    for n in range(images):
        _logits(own.hidden, n * HIDDEN, weights, by_class, own.logits)
        image_loss, hit = _cross_entropy(own.logits, own.labels[n], share)
        loss += image_loss
        hits += hit
        _back_to_hidden(own.hidden, n * HIDDEN, own.logits, by_class, own.delta, gradients)
    return loss, hits


@kernel
def hand_over(delta: Any, images: int, start: int, padded: int, deltas: Any) -> None:
    """A part's delta (image, unit) → `deltas` of the batch (tile of units, padded, unit)."""
    for n in range(images):
        for h in range(0, HIDDEN, LANES):
            tile, unit = h // COLUMNS, h % COLUMNS
            store(deltas, (tile * padded + start + n) * COLUMNS + unit, load(delta, n * HIDDEN + h))
